"""Reading in processes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus_cases import midi, misbehaving

from seqgen.corpus.packed import unpack
from seqgen.corpus.reading import Failure, Job, read_jobs

HERE = str(Path(__file__).parent)


def jobs(folder: Path, contents: dict[str, str]) -> list[Job]:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return [Job(folder / name, len(content)) for name, content in contents.items()]


def outcomes(found: list[Job], **options) -> dict[str, str]:
    """By name the reason, or the titles of the pieces; every file must have exactly one answer."""
    answers = {}
    for index, outcome in read_jobs(found, misbehaving, **options):
        name = found[index].path.name
        assert name not in answers
        good = isinstance(outcome, bytes)
        answers[name] = f"{len(unpack(outcome))} pieces" if good else outcome.reason
    assert set(answers) == {job.path.name for job in found}
    return answers


def test_a_bad_file_costs_only_itself(tmp_path):
    bad = {"hang": "hang", "exit": "exit", "kill": "kill", "odd": "odd", "broken": "broken", "extra": "extra"}
    good = {f"good{number}": f"note {60 + number}" for number in range(8)}
    found = outcomes(jobs(tmp_path, {**good, **bad, "book": "note 60 62 64"}), workers=2, timeout_s=3.0)
    assert {name: found.pop(name) for name in good} == dict.fromkeys(good, "1 pieces")
    assert found.pop("hang") == "not read after 3 s"
    assert found.pop("exit") == "the reader crashed (exit code 7)"
    assert found.pop("kill") == "the reader crashed (SIGKILL)"
    assert found == {
        "book": "3 pieces",
        "odd": "ZeroDivisionError: what a parser trips over",
        "broken": f"{tmp_path / 'broken'} is not what its name says",
        "extra": "Reading scores needs an optional part. Install it with: pip install 'seqgen[notation]'",
    }


def test_midi_files_that_share_a_process_do_not_share_its_crash(tmp_path):
    contents = {f"{number:02}.mid": f"note {number}" for number in range(30)}
    contents["07.mid"], contents["21.mid"] = "exit", "kill"
    found = outcomes(jobs(tmp_path, contents), workers=2, timeout_s=5.0)
    assert found.pop("07.mid") == "the reader crashed (exit code 7)"
    assert found.pop("21.mid") == "the reader crashed (SIGKILL)"
    assert set(found.values()) == {"1 pieces"}


def test_many_crashes_one_after_the_other_lose_nothing(tmp_path):
    """A pool may break down altogether where processes end faster than it can take notice."""
    contents = {f"{number}.x": "exit" if number % 3 else "note 60" for number in range(12)}
    found = outcomes(jobs(tmp_path, contents), workers=1, timeout_s=5.0)
    assert [found[f"{number}.x"] for number in range(0, 12, 3)] == ["1 pieces"] * 4
    assert {found[f"{number}.x"] for number in (1, 2, 4, 5, 7, 8, 10, 11)} <= {
        "the reader crashed (exit code 7)",
        "the reading process ended at once",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_a_greedy_file_is_stopped(tmp_path):
    found = outcomes(jobs(tmp_path, {"greedy": "greedy", "fine": "note 60"}), workers=1)
    assert found == {"greedy": "needs more than 1 GB of memory", "fine": "1 pieces"}


def test_nothing_to_read_starts_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pebble", None)
    assert list(read_jobs([], misbehaving)) == []


def test_a_pool_that_cannot_start_gives_an_answer_for_every_file(tmp_path):
    found = jobs(tmp_path, {f"{number}.x": "note 60" for number in range(5)})
    answers = dict(read_jobs(found, misbehaving, workers=1, memory_bytes=1 << 70))  # a limit that cannot be set
    assert answers == dict.fromkeys(range(5), Failure("the reading process ended at once"))


def script(folder: Path, body: str) -> list[str]:
    """A user's script without `if __name__ == "__main__"`."""
    (folder / "script.py").write_text(
        "import sys\nimport types\n"
        "sys.modules['seqgen_test_main'] = types.ModuleType('seqgen_test_main')\n"
        "print('started', flush=True)\n" + body
    )
    return [sys.executable, str(folder / "script.py")]


def environment() -> dict[str, str]:
    paths = [str(Path(HERE).parents[1]), HERE, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_the_users_script_does_not_run_again_in_the_reading_processes(tmp_path):
    (tmp_path / "x.krn").write_text("libraries")
    body = (
        "from corpus_cases import misbehaving\n"
        "from seqgen.corpus import load_corpus\n"
        "from seqgen.errors import CorpusError\n"
        "try:\n"
        f"    load_corpus({str(tmp_path / 'x.krn')!r}, reader=misbehaving)\n"
        "except CorpusError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        script(tmp_path, body), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    # neither started twice, nor anything of the script or of TensorFlow loaded where files are read
    assert done.stdout.splitlines() == ["started", "x: the one file cannot be read as music: x.krn: loaded: "]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_the_processes_promptly(tmp_path):
    (tmp_path / "a.krn").write_text("hang")
    (tmp_path / "b.krn").write_text("note 60")
    body = (
        "from corpus_cases import counting\n"
        "from seqgen.corpus import load_corpus\n"
        f"load_corpus({str(tmp_path)!r}, reader=counting, workers=2, progress=lambda *done: print(*done, flush=True))\n"
    )
    process = subprocess.Popen(
        script(tmp_path, body), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["started", "1 2"]
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to all of them
    begun = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begun < 6
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    left = [pid for pid in _group(process.pid) if pid != process.pid]
    assert left == []


def _group(leader: int) -> list[int]:
    """The processes of a group that have not ended, after giving them two seconds to."""
    alive: list[int] = []
    for _ in range(20):
        listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        alive = [int(pid) for pid, group, state, *_ in rows if int(group) == leader and not state.startswith("Z")]
        if not alive:
            break
        time.sleep(0.1)
    return alive


def test_midi_is_read_by_default(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi([60, 62, 64]))
    ((_, packed),) = read_jobs([Job(tmp_path / "a.mid", 10)], workers=1)
    assert isinstance(packed, bytes)
    assert unpack(packed)[0].notes["pitch"].tolist() == [60, 62, 64]
