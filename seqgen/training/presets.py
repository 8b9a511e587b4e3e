"""Named encoder-decoders, each by its parts. What a preset names, a setting of the same name overrides."""

from dataclasses import dataclass, field
from typing import Any, Literal

from seqgen.errors import ConfigError

DEFAULT = "attention"
MUSIC = "harmony"  # what pairs of music are trained with


@dataclass(frozen=True)
class Preset:
    """The parts of an encoder-decoder; see `architecture.Seq2Seq`.

    Its loss is cross-entropy on tokens and the mean squared error on vectors.
    """

    source: str  # the paper, or where it is known from
    bridge: Literal["states", "repeat", "peek", "none"] = "states"
    attention: Literal["none", "additive", "multiplicative", "aligned"] = "none"
    layers: tuple[int, int] = (1, 1)  # of the encoder, of the decoder
    bidirectional: bool = False
    reverse_source: bool = False
    through_depth: bool = False
    feedback: bool = True
    cell: Literal["lstm", "gru"] = "lstm"
    embedding: int | None = None  # numbers an id becomes; None: by the size of the vocabulary
    settings: dict[str, Any] = field(default_factory=dict)  # of training: optimizer and learning rate among them
    source_as: tuple[str, dict[str, Any]] = ("chars", {})  # encoding and options of text
    target_as: tuple[str, dict[str, Any]] = ("chars", {})


_CLEANED = ("words", {"lower": True, "strip_accents": True})

PRESETS = {
    # One recurrent stack and an output at every step: input and output are made equally long. It reads in both
    # directions, since the first digit of a sum depends on the last ones of its terms.
    "same-length": Preset(
        source="F. Chollet (2017), A ten-minute introduction to sequence-to-sequence learning in Keras: equal lengths",
        bridge="none",
        layers=(2, 0),
        bidirectional=True,
        feedback=False,
        embedding=0,
    ),
    # The encoder's last output through a ReLU layer, repeated for every step of the decoder.
    "simple": Preset(
        source="SimpleSeq2Seq of F. Rahman's seq2seq (2016), and the RepeatVector form of Keras",
        bridge="repeat",
        feedback=False,
        embedding=0,
    ),
    # The encoder's states begin the decoder, which reads its own last output; one state passes through the depth.
    "seq2seq": Preset(
        source="I. Sutskever, O. Vinyals, Q. V. Le (2014), Sequence to sequence learning with neural networks",
        reverse_source=True,
        through_depth=True,
    ),
    # The same, and the decoder sees the context vector at every step.
    "peek": Preset(
        source="K. Cho et al. (2014), Learning phrase representations using RNN encoder-decoder",
        bridge="peek",
        through_depth=True,
    ),
    # A bidirectional encoder, attention, no state handed over.
    "attention": Preset(
        source="D. Bahdanau, K. Cho, Y. Bengio (2015), Neural machine translation by jointly learning to align and"
        " translate",
        bridge="none",
        attention="additive",
        bidirectional=True,
    ),
    # Characters to characters, states handed over, teacher forcing.
    "char-translate": Preset(
        source="F. Chollet (2017), A ten-minute introduction to sequence-to-sequence learning in Keras",
        embedding=0,
        settings={"n_a": 256, "optimizer": "rmsprop", "lr": 1e-3, "batch_size": 64},
    ),
    # Words, cleaned: lower case, no accents, punctuation set apart; embedding and GRU, additive attention.
    "bahdanau-gru": Preset(
        source="TensorFlow's tutorial on translation with attention (2018), after Bahdanau et al.",
        attention="additive",
        cell="gru",
        embedding=256,
        settings={"n_a": 512, "optimizer": "adam", "lr": 1e-3, "batch_size": 64},
        source_as=_CLEANED,
        target_as=_CLEANED,
    ),
    # The voices of a piece under a given one: each step of the decoder sees what the encoder, having read the whole
    # given voice in both directions, makes of the same moment.
    "harmony": Preset(
        source="after G. Hadjeres, F. Pachet, F. Nielsen (2017), DeepBach: the past and the future of the given voice",
        bridge="none",
        attention="aligned",
        bidirectional=True,
        embedding=0,
    ),
}


def preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        ConfigError: there is none, naming those that are.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
