"""What training an encoder-decoder is told, and what follows from its preset and from the size of the corpus."""

import math
from dataclasses import dataclass, replace
from typing import Any

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError
from seqgen.threads import processors
from seqgen.training.presets import DEFAULT, Preset, preset
from seqgen.training.settings import DEFAULT_MINUTES, UNITS, RunSettings, check_choice

SCHEDULES = ("linear", "exponential", "sigmoid")
BRIDGES = ("states", "repeat", "peek", "none")
ATTENTIONS = ("none", "additive", "multiplicative", "aligned")

_MEDIUM_FROM, _LARGE_FROM = 20_000, 500_000  # target tokens
_FEW_TOKENS = 100_000
_DROPOUT_BELOW, _DROPOUT_ABOVE = 0.3, 0.2
_ONE_HOT_TO = 300  # tokens; a larger vocabulary is embedded
_EMBEDDING = 256
_SIGMOID = 12.0  # how steep inverse sigmoid decay is
_EPOCHS = 200.0
_LR = {"adamw": 3e-3, "adam": 2e-3, "rmsprop": 1e-3, "sgd": 0.5}


@dataclass(frozen=True)
class PairSettings(RunSettings):
    """Those of an encoder-decoder. What is None is as the preset has it.

    layers: of the encoder and of the decoder, or one number for both. teacher_forcing: the share of steps at which the
    decoder reads the true token instead of its own choice; with scheduled_sampling, "linear", "exponential" or
    "sigmoid" (Bengio et al., 2015), what it falls to, from 1, until the end of the run.
    """

    preset: str = ""  # by the kind of pairs: attention for text, harmony for parts of scores
    layers: int | tuple[int, int] = 0
    embedding: int | None = None  # numbers an id becomes, on both sides; 0: its one-hot
    bidirectional: bool | None = None
    reverse_source: bool | None = None
    bridge: str | None = None
    attention: str | None = None
    through_depth: bool | None = None
    feedback: bool | None = None
    teacher_forcing: float = 1.0
    scheduled_sampling: str | None = None

    def resolved(self, tokens: int, pairs: int) -> "PairSettings":
        """The same with every choice made, for so many target tokens and pairs to train on.

        Raises:
            ConfigError: a value out of range, or more than one length.
        """
        parts = preset(self.preset or DEFAULT)
        self.check()
        usual = {"optimizer": "adamw", **parts.settings}
        size = self.size or ("large" if tokens >= _LARGE_FROM else "medium" if tokens >= _MEDIUM_FROM else "small")
        # small batches at first learn more from few pairs
        batch_size = self.batch_size or usual.get("batch_size") or min(64, max(8, pairs // 50))
        chosen: dict[str, Any] = {
            "size": size,
            "cell": self.cell or parts.cell,
            "n_a": self.n_a or (UNITS[self.size] if self.size else usual.get("n_a", UNITS[size])),
            "layers": self._layers(parts),
            "batch_size": batch_size,
            "shards": min(self.shards or processors(), batch_size),
            "optimizer": self.optimizer or usual["optimizer"],
            "weight_drop": self.weight_drop or 0.0,
            "most_epochs": self.most_epochs or _EPOCHS,
        }
        if self.dropout is None:
            chosen["dropout"] = _DROPOUT_BELOW if tokens < _FEW_TOKENS else _DROPOUT_ABOVE
        for name in ("bidirectional", "reverse_source", "bridge", "attention", "through_depth", "feedback"):
            if getattr(self, name) is None:
                chosen[name] = getattr(parts, name)
        if self.embedding is None:
            chosen["embedding"] = parts.embedding
        own_optimizer = chosen["optimizer"] == usual["optimizer"]
        chosen["lr"] = self.lr or (own_optimizer and usual.get("lr")) or _LR[chosen["optimizer"]]
        if self.until_stalled:
            chosen["minutes"] = DEFAULT_MINUTES
        return replace(self, **chosen)

    def as_dict(self) -> dict[str, Any]:
        layers = list(self.layers) if isinstance(self.layers, tuple) else self.layers  # as JSON gives it back
        return {**super().as_dict(), "layers": layers}

    def check(self) -> None:
        super().check()
        check_choice("scheduled_sampling", self.scheduled_sampling, (None, *SCHEDULES))
        check_choice("bridge", self.bridge, (None, *BRIDGES))
        check_choice("attention", self.attention, (None, *ATTENTIONS))
        if not 0 <= self.teacher_forcing <= 1:
            raise ConfigError(f"teacher_forcing is a share of 0 to 1, not {self.teacher_forcing:g}")
        layers = self.layers if isinstance(self.layers, tuple) else (self.layers, self.layers)
        if len(layers) != 2 or not all(0 <= one <= 16 for one in layers):
            raise ConfigError(f"layers are 0 to 16 of the encoder and of the decoder, not {self.layers}")
        if self.embedding is not None and not 0 <= self.embedding <= 8192:
            raise ConfigError(f"embedding must be 0 to 8192, not {self.embedding}")

    def forced(self, progress: float) -> float:
        """The share of steps at which the decoder reads the true token, so far into the run (0 to 1)."""
        last, schedule = self.teacher_forcing, self.scheduled_sampling
        if schedule is None:
            return last
        if schedule == "linear":
            falling = 1 - progress
        elif schedule == "exponential":
            falling = 0.01**progress
        else:
            falling = 1 / (1 + math.exp(_SIGMOID * (progress - 0.5)))
        return last + (1 - last) * falling

    def architecture(
        self,
        *,
        source_values: int,
        n_values: int,
        source_vectors: bool = False,
        target_vectors: bool = False,
        feature_sizes: tuple[int, ...] = (),
        alignment: tuple[int, int] = (0, 1),
        length: int = 0,
    ) -> Seq2Seq:
        """The architecture of resolved settings, for sides of such sizes.

        alignment, length: of the data, for those that have aligned attention, or no decoder.

        Raises:
            ConfigError: the parts do not go together.
        """
        encoder_layers, decoder_layers = self.layers if isinstance(self.layers, tuple) else (self.layers, self.layers)
        values: dict[str, Any] = {
            "cell": self.cell,
            "n_a": self.n_a,
            "encoder_layers": encoder_layers,
            "decoder_layers": decoder_layers,
            "source_values": source_values,
            "n_values": n_values,
            "source_vectors": source_vectors,
            "target_vectors": target_vectors,
            "source_embedding": 0 if source_vectors else self._embedding(source_values),
            "embedding": self._embedding(n_values) if self.feedback and not target_vectors else 0,
            "feature_sizes": feature_sizes if self.feedback else (),
            "bidirectional": self.bidirectional,
            "reversed": self.reverse_source,
            "bridge": self.bridge,
            "attention": self.attention,
            "alignment": alignment if self.attention == "aligned" else (0, 1),
            "feedback": self.feedback,
            "through_depth": self.through_depth,
            "length": 0 if decoder_layers else length,
        }
        architecture = Seq2Seq(**values)
        architecture.check()
        return architecture

    def _layers(self, parts: Preset) -> tuple[int, int]:
        """A stack without decoder keeps having none."""
        if isinstance(self.layers, tuple):
            return self.layers
        encoder, decoder = parts.layers
        return (self.layers or encoder, decoder and (self.layers or decoder))

    def _embedding(self, values: int) -> int:
        if self.embedding is not None:
            return self.embedding
        return _EMBEDDING if values > _ONE_HOT_TO else 0
