"""Options and fixtures of the whole suite."""

import signal

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that runs the suite in the background has it ignored,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and so would the processes that the tests interrupt

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also the slow tests, at reduced counts")
    parser.addoption("--full", action="store_true", help="also the slow tests, at full counts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or config.getoption("--full"):
        return
    kept = [item for item in items if "slow" not in item.keywords]
    config.hook.pytest_deselected(items=[item for item in items if "slow" in item.keywords])
    items[:] = kept


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of the tests stay with the tests."""
    monkeypatch.setenv("SEQGEN_HOME", str(tmp_path_factory.getbasetemp() / "home"))
