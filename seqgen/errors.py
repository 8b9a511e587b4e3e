"""Every error seqgen raises on purpose. Lower floors raise the fact, upper floors add the place."""


class SeqgenError(Exception):
    """Base of all expected failures; its text is one line a user can act on."""


class CorpusError(SeqgenError):
    """A source cannot serve as a corpus: nothing readable, too short, unknown name."""


class FormatError(SeqgenError):
    """A file is not what its name says, or a piece cannot be written in the wanted format."""


class TokenError(SeqgenError):
    """A token or id that the vocabulary or the grammar does not allow at this place."""


class ConfigError(SeqgenError):
    """An option out of range, or options that contradict each other."""


class ModelFileError(SeqgenError):
    """A model file is missing, damaged, not ours, or of a newer format."""


class SamplingError(SeqgenError):
    """Sampling cannot go on: no legal token is left, or the logits are not finite."""


class TrainingError(SeqgenError):
    """Training cannot go on: the loss is not finite, or a checkpoint does not fit."""


class ClusterError(SeqgenError):
    """Training on several hosts cannot go on: one of them did not come, or has stopped."""


class MissingExtra(SeqgenError):
    """An optional dependency is not installed; the text names the command that installs it."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional part. Install it with: pip install 'seqgen[{extra}]'")
        self.extra = extra
