"""A recurrent cell over a window of time steps, as one compiled loop with a hand-derived gradient.

Automatic differentiation would multiply `a[t]^T dz[t]` at every step of the backward loop; here the steps only carry
the gradient through time, and the recurrent kernel's gradient is one large product after the loop, which is what makes
it fast. Every function takes the input products of all steps (`rows`), which do not depend on the state, and returns
the hidden states of all steps and the last state. Time is the first axis. `keep` is 0 where the state is cleared before
a step, else 1.

The equations are those of Keras' LSTMCell and of GRUCell with `reset_after`; the tests hold them to both, and the
gradients to finite differences.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]


@tf.custom_gradient
def lstm_scan(rows: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, a0: tf.Tensor, c0: tf.Tensor) -> Any:
    """LSTM: hidden states `(Tx, batch, n_a)`, last a and last c `(batch, n_a)`.

    rows `(Tx, batch, 4 n_a)`, gates in the order input, forget, candidate, output, the bias included; keep
    `(Tx, batch, 1)`; recurrent `(n_a, 4 n_a)`; a0 and c0 `(batch, n_a)`.
    """
    length, batch, width = static_shape(rows)
    n_a = width // 4

    def forward(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
        a, c = (array * keep[time] for array in state)
        i, f, g, o = tf.split(rows[time] + tf.matmul(a, recurrent), 4, axis=1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        a = o * tf.tanh(c)
        return [a, c], [tf.concat([i, f, g, o], axis=1), a, c]

    (a_last, c_last), (gates, a_all, c_all) = _loop(forward, [a0, c0], [width, n_a, n_a], length, batch)

    def gradient(da_all: tf.Tensor, da_last: tf.Tensor, dc_last: tf.Tensor) -> Tensors:
        a_in, c_in = _entering(a0, a_all, keep), _entering(c0, c_all, keep)

        def backward(step: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
            time = length - 1 - step
            da, dc = state
            da += da_all[time]
            i, f, g, o = tf.split(gates[time], 4, axis=1)
            tanh_c = tf.tanh(c_all[time])
            dc += da * o * (1 - tanh_c * tanh_c)
            di, df, dg = dc * g * i * (1 - i), dc * c_in[time] * f * (1 - f), dc * i * (1 - g * g)
            dz = tf.concat([di, df, dg, da * tanh_c * o * (1 - o)], axis=1)
            return [tf.matmul(dz, recurrent, transpose_b=True) * keep[time], dc * f * keep[time]], [dz]

        (da0, dc0), (reversed_dz,) = _loop(backward, [da_last, dc_last], [width], length, batch)
        dz = tf.reverse(reversed_dz, [0])
        return [dz, tf.zeros_like(keep), _product(a_in, dz), da0, dc0]

    return (a_all, a_last, c_last), gradient


@tf.custom_gradient
def gru_scan(rows: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, a0: tf.Tensor) -> Any:
    """GRU, reset after the product: hidden states `(Tx, batch, n_a)` and the last one `(batch, n_a)`.

    rows `(Tx, batch, 3 n_a)`, gates in the order update, reset, candidate, the input bias included; keep
    `(Tx, batch, 1)`; recurrent `(n_a, 3 n_a)`; bias `(3 n_a,)`, the recurrent one; a0 `(batch, n_a)`.
    """
    length, batch, width = static_shape(rows)
    n_a = width // 3

    def forward(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
        a = state[0] * keep[time]
        row_z, row_r, row_h = tf.split(rows[time], 3, axis=1)
        inner_z, inner_r, inner_h = tf.split(tf.matmul(a, recurrent) + bias, 3, axis=1)
        z, r = tf.sigmoid(row_z + inner_z), tf.sigmoid(row_r + inner_r)
        h = tf.tanh(row_h + r * inner_h)
        a = z * a + (1 - z) * h
        return [a], [tf.concat([z, r, h, inner_h], axis=1), a]

    (a_last,), (gates, a_all) = _loop(forward, [a0], [4 * n_a, n_a], length, batch)

    def gradient(da_all: tf.Tensor, da_last: tf.Tensor) -> Tensors:
        a_in = _entering(a0, a_all, keep)

        def backward(step: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
            time = length - 1 - step
            da = state[0] + da_all[time]
            z, r, h, inner_h = tf.split(gates[time], 4, axis=1)
            dz = da * (a_in[time] - h) * z * (1 - z)
            dh = da * (1 - z) * (1 - h * h)
            dr = dh * inner_h * r * (1 - r)
            d_inner = tf.concat([dz, dr, dh * r], axis=1)
            da = (da * z + tf.matmul(d_inner, recurrent, transpose_b=True)) * keep[time]
            return [da], [tf.concat([dz, dr, dh], axis=1), d_inner]

        (da0,), reversed_ = _loop(backward, [da_last], [width, width], length, batch)
        d_rows, d_inner = (tf.reverse(array, [0]) for array in reversed_)
        return [d_rows, tf.zeros_like(keep), _product(a_in, d_inner), tf.reduce_sum(d_inner, [0, 1]), da0]

    return (a_all, a_last), gradient


def static_shape(tensor: tf.Tensor) -> tuple[int, ...]:
    """The shape as numbers; every one is known when the loop is compiled."""
    return tuple(int(size or 0) for size in tensor.shape.as_list())


def _loop(
    step: Callable[[tf.Tensor, Tensors], tuple[Tensors, Tensors]],
    state: Tensors,
    widths: list[int],
    length: int,
    batch: int,
) -> tuple[Tensors, Tensors]:
    """The last state, and all outputs `(length, batch, width)`, of `state, outputs = step(time, state)`."""
    dtype = state[0].dtype
    outputs = [tf.TensorArray(dtype, length, element_shape=(batch, width)) for width in widths]

    def body(time: tf.Tensor, state: Tensors, outputs: list[tf.TensorArray]):
        state, new = step(time, state)
        return time + 1, state, [array.write(time, value) for array, value in zip(outputs, new, strict=True)]

    _, state, outputs = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), state, outputs), maximum_iterations=length
    )
    return state, [array.stack() for array in outputs]


def _entering(first: tf.Tensor, after: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """The state that enters each step, from the one before the window and those after each step."""
    return tf.concat([first[None], after[:-1]], axis=0) * keep


def _product(a_in: tf.Tensor, dz: tf.Tensor) -> tf.Tensor:
    """The sum over time and batch of `a^T dz`, as one product."""
    n_a, width = static_shape(a_in)[-1], static_shape(dz)[-1]
    return tf.matmul(tf.reshape(a_in, [-1, n_a]), tf.reshape(dz, [-1, width]), transpose_a=True)
