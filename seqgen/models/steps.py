"""The loop over time for stacks whose steps depend on more than their own state: one compiled `tf.while_loop`.

Its gradient is automatic: attention's own work outweighs what products after the loop would save.
"""

from collections.abc import Callable

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.scan import static_shape
from seqgen.models.stack import State, Weights

Step = Callable[[tf.Tensor, tf.Tensor, list[State]], tuple[tf.Tensor, list[State]]]


def unrolled(step: Step, inputs: tf.Tensor, states: list[State]) -> tuple[tf.Tensor, list[State]]:
    """All outputs `(T, batch, n_a)` and the last states of `output, states = step(time, inputs[time], states)`."""
    length, each = static_shape(inputs)[0], one_by_one(inputs)
    outputs = tf.TensorArray(inputs.dtype, length, element_shape=states[0][0].shape)

    def body(time: tf.Tensor, states: list[State], outputs: tf.TensorArray):
        output, states = step(time, each.read(time), states)
        return time + 1, states, outputs.write(time, output)

    _, states, outputs = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), states, outputs), maximum_iterations=length
    )
    return outputs.stack(), states


def one_by_one(inputs: tf.Tensor) -> tf.TensorArray:
    """The steps of a series, to read in a loop: the gradient of a slice would be as large as all, at every step."""
    length, *shape = static_shape(inputs)
    return tf.TensorArray(inputs.dtype, length, element_shape=shape).unstack(inputs)


def through_stack(
    architecture: Seq2Seq, weights: Weights, side: str, product: tf.Tensor, states: list[State], masks: list[tf.Tensor]
) -> tuple[tf.Tensor, list[State]]:
    """One step of all layers of a side, "encoder" or "decoder": the top output `(batch, n_a)` and the states after.

    product: the first cell's input product, without bias. Through depth there is one state, else one of each layer.
    """
    layers = architecture.encoder_layers if side == "encoder" else architecture.decoder_layers
    output, states = product, list(states)
    for index in range(layers):
        name, own = f"{side}/{index}", 0 if architecture.through_depth else index
        if index:
            product = tf.matmul(output, weights[f"{name}/kernel"])
        states[own] = cell(architecture, weights, name, product, states[own])
        output = states[own][0] * masks[index] if masks else states[own][0]
    return output, states


def cell(architecture: Seq2Seq, weights: Weights, name: str, product: tf.Tensor, state: State) -> State:
    """The state after one step of the cell `name`, from its input product `(batch, gates * n_a)` without bias."""
    recurrent, bias = weights[f"{name}/recurrent_kernel"], weights[f"{name}/bias"]
    if architecture.cell == "lstm":
        a, c = state
        i, f, g, o = tf.split(product + tf.matmul(a, recurrent) + bias, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return [tf.sigmoid(o) * tf.tanh(c), c]
    (a,) = state
    row_z, row_r, row_h = tf.split(product + bias[0], 3, axis=1)
    inner_z, inner_r, inner_h = tf.split(tf.matmul(a, recurrent) + bias[1], 3, axis=1)
    z, r = tf.sigmoid(row_z + inner_z), tf.sigmoid(row_r + inner_r)
    return [z * a + (1 - z) * tf.tanh(row_h + r * inner_h)]
