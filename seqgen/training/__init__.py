"""Training a model: settings, learners, the loop. TensorFlow is loaded when the loop is first asked for.

It takes seconds, and what is wrong with the settings or the sources is said before.
"""

from typing import TYPE_CHECKING, Any

from seqgen.training.pair_settings import PairSettings
from seqgen.training.settings import Settings, make_settings

if TYPE_CHECKING:
    from seqgen.training.loop import Report, Result, fit

__all__ = ["PairSettings", "Report", "Result", "Settings", "fit", "make_settings"]


def __getattr__(name: str) -> Any:
    if name not in ("Report", "Result", "fit"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import seqgen.models  # noqa: F401  # first: it loads TensorFlow, quietly
    from seqgen.training import loop

    return getattr(loop, name)
