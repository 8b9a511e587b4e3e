"""The numpy stepper of an encoder-decoder: a source is encoded once, then the decoder goes a step at a time."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError
from seqgen.modelfile import check_weights
from seqgen.runtime.bridge import Bridge
from seqgen.runtime.decoder import Decoder
from seqgen.runtime.encoder import Encoder
from seqgen.runtime.memory import Encoded
from seqgen.runtime.placewise import Placewise
from seqgen.stepper import State

_AT_ONCE = 128  # sources; what belongs to so many lies in one array


class Seq2SeqStepper:
    """`seqgen.stepper.Stepper` for a `Seq2Seq`; the context of a row is its encoded source.

    The state is the decoder's `(a, c)` or `(a,)`, float32 `(batch, width)`, the layers side by side, and an array of
    references to the rows' sources, so that `take` copies no memory. One stepper serves one thread: it keeps the
    buffers of a step for the next one.

    >>> from seqgen.modelfile import tensor_shapes
    >>> model = Seq2Seq(cell="gru", n_a=2, encoder_layers=1, decoder_layers=1, source_values=6, n_values=5)
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(model).items()}
    >>> stepper = Seq2SeqStepper(model, weights)
    >>> sources = stepper.encode([np.array([4, 5, 2]), np.array([5, 2])])
    >>> logits, state = stepper.step(np.array([1, 1]), stepper.start(2, sources))
    >>> logits.shape
    (2, 5)
    """

    def __init__(self, architecture: Seq2Seq, weights: Mapping[str, np.ndarray], *, threads: int | None = None) -> None:
        """weights: named and shaped as in `tensor_shapes(architecture)`; copied. threads: see `RecurrentStepper`.

        Raises:
            ConfigError: an architecture whose parts do not go together.
            ModelFileError: weights that do not fit it.
        """
        architecture.check()
        check_weights(architecture, weights)
        self.architecture = architecture
        self.n_values, self.feature_sizes = architecture.n_values, architecture.feature_sizes
        self._encoder, self._bridge = Encoder(architecture, weights, threads), Bridge(architecture, weights)
        self._decoder = (
            Decoder(architecture, weights, threads) if architecture.decoder_layers else Placewise(architecture, weights)
        )

    def encode(self, sources: Sequence[np.ndarray]) -> list[Encoded]:
        """What the decoder needs of each source, in the same order; many are read together.

        sources: as they are read, so reversed where the architecture says so: ids `(Tx,)`, END the last, or vectors
        `(Tx, source_values)`; of any lengths, 1 or more. What belongs to a source does not depend on the others.

        Raises:
            ConfigError: a source is empty, or of the wrong shape.
            TokenError: an id outside the vocabulary.
        """
        found: dict[int, Encoded] = {}
        order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        for begin in range(0, len(order), _AT_ONCE):
            some = order[begin : begin + _AT_ONCE]
            read = self._encoder([sources[index] for index in some])
            states = [self._bridge.states(outputs.layers) for outputs in read]
            encoded = self._decoder.encoded(read, states, self._bridge.contexts(read))
            found.update(zip(some, encoded, strict=True))
        return [found[index] for index in range(len(sources))]

    def start(self, batch: int, context: Sequence[Encoded] | None = None) -> State:
        """The state before the first id; context: the source of each row, of which several may have the same.

        Raises:
            ConfigError: not as many sources as rows, or none.
        """
        if batch < 1 or context is None or len(context) != batch:
            came = "none" if context is None else len(context)
            raise ConfigError(f"a decoder starts with an encoded source a row: {batch} rows came with {came}")
        return self._decoder.start(context)

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        """See `Stepper.step`. Where the target is vectors, ids are vectors `(batch, n_values)`, zeros at first, and
        the logits are the next ones. A model without feedback reads neither.

        Raises:
            TokenError: an id or a feature outside its range.
            ConfigError: a state of another batch size, or not as many features as the model was trained with.
        """
        return self._decoder.step(ids, state, features)

    def take(self, state: State, rows: np.ndarray) -> State:
        """See `Stepper.take`."""
        return tuple(array[np.asarray(rows)] for array in state)

    def attention(self, source: Encoded, ids: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """`(Ty, Tx)` float32, rows that sum to 1: where the decoder looks as it reads each of `ids`.

        ids `(Ty,)`: START and what follows, or vectors; features `(Ty, n_features)`.

        Raises:
            ConfigError: the model has no attention.
        """
        if not isinstance(self._decoder, Decoder) or self.architecture.attention == "none":
            raise ConfigError("the model has no attention, so there is nothing to show")
        state, rows = self.start(1, [source]), []
        for place in range(len(ids)):
            now = None if features is None else features[place : place + 1]
            _, state = self._decoder.step(np.asarray(ids[place : place + 1]), state, now)
            rows.append(self._decoder.weights().copy())
        return np.array(rows, np.float32)
