"""What a model is made of: the shapes of a generator and of an encoder-decoder, and the tensors that they have.

Closed lists: a model file names one of these shapes, and every reader rebuilds the model from it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from seqgen.errors import ConfigError

__all__ = ["Architecture", "Seq2Seq", "tensor_shapes"]

Size = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Layers = Annotated[int, Meta(ge=0, le=64)]
Shapes = dict[str, tuple[int, ...]]
_GATES = {"lstm": 4, "gru": 3}


class Architecture(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The shape of a generator: a stack of equal recurrent cells under one densor.

    The first cell's input is the one-hot of the token followed by the one-hot of every feature, so its kernel has
    `n_values + sum(feature_sizes)` rows.
    """

    cell: Literal["lstm", "gru"]
    n_a: Size  # units of a cell
    layers: Annotated[int, Meta(ge=1, le=64)]
    n_values: Size  # tokens, the specials included
    feature_sizes: tuple[Size, ...] = ()
    embedding: int = 0  # reserved: anything but 0 is refused


class Seq2Seq(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The shape of an encoder-decoder: an encoder reads the source, a bridge or attention hands it to the decoder.

    A source is token ids, read in the order of the sentence or `reversed` and always ended by END, or a series of
    vectors. The encoder is a stack of equal cells; of a `bidirectional` one every layer reads in both directions, and
    its outputs are side by side, forward first. Without layers the source itself is what is handed over.

    bridge: what of the encoder's last step reaches the decoder.
        "states": its states begin the decoder's, layer by layer from the top; where the decoder has more layers than
        the encoder, from the bottom, and its last one's again. Those of two directions, side by side, go through a
        layer each: tanh for a, linear for c.
        "repeat": its output, through one layer of ReLU, is an input at every step. "peek": states, and its output as it
        is, is an input at every step. "none": nothing. The last output of two directions is where each has read all.
    attention: what else reaches it at every step.
        "additive" (Bahdanau et al. 2015): by the decoder's last hidden state, of its top layer; joined to the input.
        "multiplicative" (Luong et al. 2015, general): by its new one, and joined to it, through a layer of tanh, before
        densor. "aligned": the one source place that belongs to the step, joined to the input; see `alignment`.
    feedback: whether the decoder reads at every step what came before: the token, START at first, and its features; of
        vectors the last one, zeros at first. Its input is that, then the bridge's, then the attention's.
    through_depth: one state goes through all layers of a stack at every step, and from the last to the first of the
        next step, instead of a state for each layer.
    decoder_layers: with 0 the densor reads the encoder at every step; the source is made `length` steps long with PAD.
    """

    cell: Literal["lstm", "gru"]
    n_a: Size  # units of a cell
    encoder_layers: Layers
    decoder_layers: Layers
    source_values: Size  # source tokens, the specials included; of vectors how many numbers one has
    n_values: Size  # the same of the target
    source_vectors: bool = False
    target_vectors: bool = False
    source_embedding: Count = 0  # numbers that an id becomes before the first cell; 0: its one-hot
    embedding: Count = 0  # the same of the target
    feature_sizes: tuple[Size, ...] = ()  # of the target's grammar
    bidirectional: bool = False
    reversed: bool = False
    bridge: Literal["states", "repeat", "peek", "none"] = "states"
    attention: Literal["none", "additive", "multiplicative", "aligned"] = "none"
    # (given, each): the first `given` target places belong to the same places of the source, after that every `each`
    # target places belong to one place of the source
    alignment: tuple[Count, Size] = (0, 1)
    feedback: bool = True
    through_depth: bool = False
    length: Count = 0

    @property
    def memory_size(self) -> int:
        """How wide the encoder's output is at a step."""
        if not self.encoder_layers:
            return self.source_embedding or self.source_values
        return self.n_a * (1 + self.bidirectional)

    @property
    def context_size(self) -> int:
        """How wide the decoder's input is beside what is fed back."""
        width = {"repeat": self.n_a, "peek": self.memory_size}.get(self.bridge, 0)
        return width + self.memory_size * (self.attention in ("additive", "aligned"))

    @property
    def hands_over_states(self) -> bool:
        return self.bridge in ("states", "peek") and self.encoder_layers > 0 and self.decoder_layers > 0

    @property
    def givers(self) -> tuple[int, ...]:
        """For each state of the decoder the encoder's layer whose state begins it; none where none is handed over."""
        if not self.hands_over_states:
            return ()
        if self.through_depth:
            return (0,)  # there is only one state
        first = max(0, self.encoder_layers - self.decoder_layers)
        return tuple(min(first + layer, self.encoder_layers - 1) for layer in range(self.decoder_layers))

    def check(self) -> None:
        """Raises ConfigError where parts do not go together."""
        if not self.decoder_layers:
            # states there are none to hand over: the densor stands on the encoder
            if self.attention != "none" or self.bridge != "none" or self.feedback or not self.encoder_layers:
                raise ConfigError(
                    "without a decoder, densor reads the encoder: no bridge, no attention, no feedback, 1 layer or more"
                )
            if not self.length:
                raise ConfigError("without a decoder the length of source and target must be stated")
        elif self.length:
            raise ConfigError("a length is for models without a decoder")
        elif not self.feedback and not self.context_size:
            raise ConfigError("the decoder has no input: it needs feedback, a bridge that repeats or peeks, attention")
        if not self.encoder_layers and (self.bridge == "states" or self.bidirectional):
            raise ConfigError("without an encoder there are no states to hand over, and no directions")
        if self.through_depth and self.bidirectional:
            raise ConfigError("a state through depth is one direction's; leave one of the two out")
        if not self.feedback and (self.embedding or self.feature_sizes):
            raise ConfigError("a decoder without feedback reads no tokens, so it has neither embedding nor features")
        if (self.source_vectors and self.source_embedding) or (self.target_vectors and self.embedding):
            raise ConfigError("vectors have no embedding")
        if self.target_vectors and self.feature_sizes:
            raise ConfigError("vectors have no features")
        if self.attention != "aligned" and self.alignment != (0, 1):
            raise ConfigError("an alignment is for aligned attention")


def tensor_shapes(architecture: Architecture | Seq2Seq) -> Shapes:
    """Names and shapes of all required tensors, all float32.

    Gates lie side by side in the last axis, as in Keras: input, forget, candidate, output for LSTM; update, reset,
    candidate for GRU, whose bias has two rows (`reset_after`): one for the input, one for the recurrent product.

    >>> shapes = tensor_shapes(Architecture(cell="lstm", n_a=64, layers=1, n_values=78))
    >>> shapes["layers/0/kernel"], shapes["densor/bias"]
    ((78, 256), (78,))
    """
    if isinstance(architecture, Seq2Seq):
        return _of_seq2seq(architecture)
    first = architecture.n_values + sum(architecture.feature_sizes)
    return {
        **_stack("layers", architecture, architecture.layers, first, architecture.n_a),
        **_dense("densor", architecture.n_a, architecture.n_values),
    }


def _of_seq2seq(model: Seq2Seq) -> Shapes:
    shapes: Shapes = {}
    n_a, memory = model.n_a, model.memory_size
    if model.source_embedding:
        shapes["encoder/embedding"] = (model.source_values, model.source_embedding)
    read = model.source_embedding or model.source_values
    for direction in ("encoder", "encoder/backward")[: 1 + model.bidirectional]:
        shapes |= _stack(direction, model, model.encoder_layers, read, memory)
    if model.bidirectional:
        for layer in sorted(set(model.givers)):
            for state in ("a", "c")[: 2 if model.cell == "lstm" else 1]:
                shapes |= _dense(f"bridge/{layer}/{state}", memory, n_a)
    if model.bridge == "repeat":
        shapes |= _dense("bridge", memory, n_a)
    if model.attention == "additive":
        shapes["attention/query/kernel"] = (n_a, n_a)
        shapes |= _dense("attention/memory", memory, n_a)
        shapes["attention/score/kernel"] = (n_a, 1)
    if model.attention == "multiplicative":
        shapes["attention/memory/kernel"] = (memory, n_a)
        shapes |= _dense("attention/output", memory + n_a, n_a)
    if model.embedding:
        shapes["decoder/embedding"] = (model.n_values, model.embedding)
    fed_back = (model.embedding or model.n_values) + sum(model.feature_sizes) if model.feedback else 0
    shapes |= _stack("decoder", model, model.decoder_layers, fed_back + model.context_size, n_a)
    return shapes | _dense("densor", n_a if model.decoder_layers else memory, model.n_values)


def _stack(name: str, model: Architecture | Seq2Seq, layers: int, first: int, upper: int) -> Shapes:
    """A stack of cells; first, upper: how wide the input of the first cell is, and that of the others."""
    gates = _GATES[model.cell] * model.n_a
    shapes: Shapes = {}
    for layer in range(layers):
        shapes[f"{name}/{layer}/kernel"] = (upper if layer else first, gates)
        shapes[f"{name}/{layer}/recurrent_kernel"] = (model.n_a, gates)
        shapes[f"{name}/{layer}/bias"] = (gates,) if model.cell == "lstm" else (2, gates)
    return shapes


def _dense(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}
