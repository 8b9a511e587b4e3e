"""Encoder-decoders as Keras models over the same layers: one to learn with, two to translate with.

To learn, the decoder reads the target shifted by one; to translate, the source is read once, and then the decoder is
asked step by step. None of them creates a weight. This is the form to read and to test against; it takes seconds to
compile. Inputs are tensors, since Keras takes no numpy arrays beside them. For fast training see
`seqgen.models.pairs`, for fast translation `seqgen.runtime`: same weights, same numbers.
"""

from typing import Any

import keras

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError
from seqgen.models.attention import at_place
from seqgen.models.bridge import bridge
from seqgen.models.decoder import Source, decode_step
from seqgen.models.encoder import encode
from seqgen.models.layers import Layers


def training_model(architecture: Seq2Seq, layers: Layers, Tx: int, Ty: int) -> keras.Model:
    """From a source and the target shifted by one to the target.

    layers: of `build_layers`. Inputs, a dictionary, batch first:
        "source": ids `(batch, Tx)` int32, END the last, or vectors `(batch, Tx, d)`; padded on the left.
        "real": `(batch, Tx)`, 1 where the source is and 0 where padding is.
        "before": what came before each target, ids `(batch, Ty)` int32, START the first, or vectors `(batch, Ty, d)`,
            zeros the first; not where nothing is fed back.
        "features": `(batch, Ty, n_features)` int32, those of `before`; not without features.
    Output: a list of Ty arrays `(batch, n_values)`, probabilities or vectors.

    Raises:
        ConfigError: Tx or Ty is less than 1.
    """
    if Tx < 1 or Ty < 1:
        raise ConfigError(f"Tx and Ty are at least 1, not {Tx} and {Ty}")
    inputs = _source_inputs(architecture, Tx)
    encoded = encode(architecture, layers, inputs["source"], inputs["real"])
    if not architecture.decoder_layers:
        at_steps = [at_place(architecture, encoded.memory, inputs["real"], t) for t in range(Ty)]
        return keras.Model(inputs, [layers["densor"](x) for x in at_steps], name="training_model")
    inputs |= _target_inputs(architecture, (Ty,))
    states, constant = bridge(architecture, layers, encoded)
    source = Source(constant, encoded.memory, inputs["real"])
    outputs = []
    for t in range(Ty):
        before, features = (inputs[name][:, t] if name in inputs else None for name in ("before", "features"))
        out, states, _ = decode_step(architecture, layers, source, t, before, features, states)
        outputs.append(out)  # (batch, n_values)
    return keras.Model(inputs, outputs, name="training_model")


def encoder_model(architecture: Seq2Seq, layers: Layers, Tx: int) -> keras.Model:
    """From a source, "source" and "real" as in `training_model`, to what `decoder_model` wants of it.

    Output, a dictionary: "states", and where the architecture has them "constant" and "memory".

    Raises:
        ConfigError: there is no decoder, so the training model does all.
    """
    _check_decoder(architecture)
    inputs = _source_inputs(architecture, Tx)
    encoded = encode(architecture, layers, inputs["source"], inputs["real"])
    states, constant = bridge(architecture, layers, encoded)
    outputs: dict[str, Any] = {"states": states}
    if constant is not None:
        outputs["constant"] = constant
    if architecture.attention != "none":
        outputs["memory"] = encoded.memory
    return keras.Model(inputs, outputs, name="encoder_model")


def decoder_model(architecture: Seq2Seq, layers: Layers, Tx: int) -> keras.Model:
    """One step of the decoder.

    Inputs, a dictionary: "before" `(batch,)` or `(batch, d)` and "features" `(batch, n_features)`, as one step of
    those of `training_model`; "states", those of `encoder_model` first and then those that came out; "constant" and
    "memory" as they came from there, "real" as it went in, the latter two with attention only; "step", the number of
    the step `(batch,)` int32, with aligned attention only. Outputs, a dictionary: "output" `(batch, n_values)`,
    "states", and with attention that is not aligned "shares" `(batch, Tx)`.

    Raises:
        ConfigError: there is no decoder.
    """
    _check_decoder(architecture)
    inputs = _target_inputs(architecture, ())
    kinds = ["a", "c"][: 2 if architecture.cell == "lstm" else 1]
    count = 1 if architecture.through_depth else architecture.decoder_layers
    inputs["states"] = [
        [keras.Input((architecture.n_a,), name=f"{kind}_{index}") for kind in kinds] for index in range(count)
    ]
    if architecture.bridge in ("repeat", "peek"):
        width = architecture.n_a if architecture.bridge == "repeat" else architecture.memory_size
        inputs["constant"] = keras.Input((width,), name="constant")
    if architecture.attention != "none":
        inputs["memory"] = keras.Input((Tx, architecture.memory_size), name="memory")
        inputs["real"] = keras.Input((Tx,), name="real")
    if architecture.attention == "aligned":
        inputs["step"] = keras.Input((), name="step", dtype="int32")
    source = Source(*(inputs.get(name) for name in ("constant", "memory", "real")))
    before, features = inputs.get("before"), inputs.get("features")
    out, states, shares = decode_step(
        architecture, layers, source, inputs.get("step"), before, features, inputs["states"]
    )
    outputs = {"output": out, "states": states} | ({} if shares is None else {"shares": shares})
    return keras.Model(inputs, outputs, name="decoder_model")


def _source_inputs(architecture: Seq2Seq, Tx: int) -> dict[str, Any]:
    inputs = {"real": keras.Input((Tx,), name="real")}
    if architecture.source_vectors:
        return inputs | {"source": keras.Input((Tx, architecture.source_values), name="source")}
    return inputs | {"source": keras.Input((Tx,), name="source", dtype="int32")}


def _target_inputs(architecture: Seq2Seq, length: tuple[int, ...]) -> dict[str, Any]:
    if not architecture.feedback:
        return {}
    if architecture.target_vectors:
        return {"before": keras.Input((*length, architecture.n_values), name="before")}
    inputs = {"before": keras.Input(length, name="before", dtype="int32")}
    if architecture.feature_sizes:
        size = len(architecture.feature_sizes)
        inputs["features"] = keras.Input((*length, size), name="features", dtype="int32")
    return inputs


def _check_decoder(architecture: Seq2Seq) -> None:
    if not architecture.decoder_layers:
        raise ConfigError("this model has no decoder to be asked step by step; its training model gives all steps")
