"""A recurrent cell over a window of time steps, as one compiled loop with a hand-derived gradient.

Automatic differentiation would multiply `a[t]^T dz[t]` at every step of the backward loop; here the steps only carry
the gradient through time, and the gradients of the kernels are large products after the loop, which is what makes it
fast. The rest is memory traffic. So the forward loop does not save the gates but the slopes by which the gradient
passes them, which leaves the backward loop a few multiplications; the gates are an axis of their own, `(batch, 4,
n_a)`, one tanh for all, since joining arrays costs more than computing them; the recurrent kernel is transposed once,
as a product with a transposed matrix packs it at every step; the first layer looks its input products up inside the
loop; and the input's and the recurrent kernel's gradients are one product. Time is the first axis. `keep` is 0 where
the state is cleared before a step, else 1.

The equations are those of Keras' LSTMCell and of GRUCell with `reset_after`; the tests hold them to both, and the
gradients to finite differences.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]
Rows = Callable[[tf.Tensor], tf.Tensor]  # the input product of a time step, `(batch, gates * n_a)`
Backward = Callable[..., tuple[tf.Tensor, ...]]

_FEW_ROWS = 512  # a table of so many rows gets its gradient by a product, which is faster than adding row by row


@tf.custom_gradient
def lstm_of_ids(
    table: tf.Tensor, places: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, a0: tf.Tensor, c0: tf.Tensor
) -> Any:
    """LSTM over rows of a table: hidden states `(Tx, batch, n_a)`, last a and last c `(batch, n_a)`.

    table `(n_inputs, 4 n_a)`, gates in the order input, forget, candidate, output, the bias included; places
    `(n, Tx, batch)`, whose n rows are added up; keep `(Tx, batch, 1)`; recurrent `(n_a, 4 n_a)`; a0, c0 `(batch, n_a)`.
    """
    outputs, backward = _lstm(_looked_up(table, places), keep, recurrent, a0, c0)

    def gradient(*upstream: tf.Tensor) -> Tensors:
        a_in, dz, da0, dc0 = backward(*upstream)
        d_table, d_recurrent = _table_and_kernel(table, places, a_in, dz)
        return [d_table, tf.zeros_like(places), tf.zeros_like(keep), d_recurrent, da0, dc0]

    return outputs, gradient


@tf.custom_gradient
def lstm_of_rows(rows: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, a0: tf.Tensor, c0: tf.Tensor) -> Any:
    """The same for input products `(Tx, batch, 4 n_a)` that are already there, the bias included."""
    outputs, backward = _lstm(lambda time: rows[time], keep, recurrent, a0, c0)

    def gradient(*upstream: tf.Tensor) -> Tensors:
        a_in, dz, da0, dc0 = backward(*upstream)
        return [dz, tf.zeros_like(keep), _product(a_in, dz), da0, dc0]

    return outputs, gradient


@tf.custom_gradient
def gru_of_ids(
    table: tf.Tensor, places: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, a0: tf.Tensor
) -> Any:
    """GRU over rows of a table: hidden states `(Tx, batch, n_a)` and the last one `(batch, n_a)`.

    table `(n_inputs, 3 n_a)`, gates in the order update, reset, candidate, the input bias included; recurrent
    `(n_a, 3 n_a)`; bias `(3 n_a,)`, the recurrent one, added to the product before the reset gate; the rest as in
    `lstm_of_ids`.
    """
    outputs, backward = _gru(_looked_up(table, places), keep, recurrent, bias, a0)

    def gradient(*upstream: tf.Tensor) -> Tensors:
        a_in, dz, d_inner, da0 = backward(*upstream)
        d_table = _table_gradient(table, places, dz)
        d_bias = tf.reduce_sum(d_inner, [0, 1])
        return [d_table, tf.zeros_like(places), tf.zeros_like(keep), _product(a_in, d_inner), d_bias, da0]

    return outputs, gradient


@tf.custom_gradient
def gru_of_rows(rows: tf.Tensor, keep: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, a0: tf.Tensor) -> Any:
    """The same for input products `(Tx, batch, 3 n_a)` that are already there, the input bias included."""
    outputs, backward = _gru(lambda time: rows[time], keep, recurrent, bias, a0)

    def gradient(*upstream: tf.Tensor) -> Tensors:
        a_in, dz, d_inner, da0 = backward(*upstream)
        return [dz, tf.zeros_like(keep), _product(a_in, d_inner), tf.reduce_sum(d_inner, [0, 1]), da0]

    return outputs, gradient


@tf.custom_gradient
def rows_of(table: tf.Tensor, places: tf.Tensor) -> Any:
    """The sum of a table's rows at places `(n, Tx, batch)`: `(Tx, batch, width)`, for a table `(n_inputs, width)`."""
    rows = tf.add_n([tf.gather(table, place) for place in tf.unstack(places)])
    return rows, lambda upstream: [_table_gradient(table, places, upstream), tf.zeros_like(places)]


def _lstm(
    row: Rows, keep: tf.Tensor, recurrent: tf.Tensor, a0: tf.Tensor, c0: tf.Tensor
) -> tuple[tuple[tf.Tensor, ...], Backward]:
    """The outputs, and a function from their gradients to (a that entered each step, dz, da0, dc0)."""
    length, batch, n_a = static_shape(keep)[0], *static_shape(a0)
    # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2
    scale, shift = (_by_gate(values, a0.dtype) for values in ([0.5, 0.5, 1.0, 0.5], [0.5, 0.5, 0.0, 0.5]))

    def forward(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
        a, c = (array * keep[time] for array in state)
        z = tf.reshape(row(time) + tf.matmul(a, recurrent), (batch, 4, n_a))
        i, f, g, o = tf.unstack(tf.tanh(z * scale) * scale + shift, axis=1)
        c_in, c = c, f * c + i * g
        tanh_c = tf.tanh(c)
        a = o * tanh_c
        slopes = tf.stack([g * i * (1 - i), c_in * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], axis=1)
        return [a, c], [slopes, o * (1 - tanh_c * tanh_c), f * keep[time], a]

    shapes = [(batch, 4, n_a), (batch, n_a), (batch, n_a), (batch, n_a)]
    (a_last, c_last), (slopes, into_c, through_c, a_all) = _loop(forward, [a0, c0], shapes, range(length))

    def backward(da_all: tf.Tensor, da_last: tf.Tensor, dc_last: tf.Tensor) -> tuple[tf.Tensor, ...]:
        transposed = tf.transpose(recurrent)
        of_output = _by_gate([False, False, False, True], tf.bool)

        def step(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
            da, dc = state
            da += da_all[time]
            dc += da * into_c[time]
            dz = tf.reshape(slopes[time] * tf.where(of_output, da[:, None], dc[:, None]), (batch, 4 * n_a))
            return [tf.matmul(dz, transposed) * keep[time], dc * through_c[time]], [dz]

        (da0, dc0), (dz,) = _loop(step, [da_last, dc_last], [(batch, 4 * n_a)], range(length - 1, -1, -1))
        return _entering(a0, a_all, keep), dz, da0, dc0

    return (a_all, a_last, c_last), backward


def _gru(
    row: Rows, keep: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, a0: tf.Tensor
) -> tuple[tuple[tf.Tensor, ...], Backward]:
    """The outputs, and a function from their gradients to (a that entered each step, d rows, d inner product, da0)."""
    length, batch, n_a = static_shape(keep)[0], *static_shape(a0)

    def forward(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
        a = state[0] * keep[time]
        row_z, row_r, row_h = tf.split(row(time), 3, axis=1)
        inner_z, inner_r, inner_h = tf.split(tf.matmul(a, recurrent) + bias, 3, axis=1)
        z, r = tf.sigmoid(row_z + inner_z), tf.sigmoid(row_r + inner_r)
        h = tf.tanh(row_h + r * inner_h)
        into_h = (1 - z) * (1 - h * h)
        slopes = tf.stack([(a - h) * z * (1 - z), into_h * inner_h * r * (1 - r), into_h * r, into_h], axis=1)
        a = z * a + (1 - z) * h
        return [a], [slopes, z * keep[time], a]

    shapes = [(batch, 4, n_a), (batch, n_a), (batch, n_a)]
    (a_last,), (slopes, through_a, a_all) = _loop(forward, [a0], shapes, range(length))

    def backward(da_all: tf.Tensor, da_last: tf.Tensor) -> tuple[tf.Tensor, ...]:
        transposed = tf.transpose(recurrent)

        def step(time: tf.Tensor, state: Tensors) -> tuple[Tensors, Tensors]:
            da = state[0] + da_all[time]
            d = slopes[time] * da[:, None]  # of z, r, the candidate's inner product, the candidate's row
            d_inner = tf.reshape(d[:, :3], (batch, 3 * n_a))
            return [da * through_a[time] + tf.matmul(d_inner, transposed) * keep[time]], [d]

        (da0,), (d,) = _loop(step, [da_last], [(batch, 4, n_a)], range(length - 1, -1, -1))
        d_inner, d_rows = (tf.gather(d, gates, axis=2) for gates in ([0, 1, 2], [0, 1, 3]))
        flat = (length, batch, 3 * n_a)
        return _entering(a0, a_all, keep), tf.reshape(d_rows, flat), tf.reshape(d_inner, flat), da0

    return (a_all, a_last), backward


def _by_gate(values: list, dtype: tf.DType) -> tf.Tensor:
    """A value for each gate, to go with `(batch, gates, n_a)`."""
    return tf.constant(values, dtype, (1, len(values), 1))


def static_shape(tensor: tf.Tensor) -> tuple[int, ...]:
    """The shape as numbers; every one is known when the loop is compiled."""
    return tuple(int(size or 0) for size in tensor.shape.as_list())


def _loop(
    step: Callable[[tf.Tensor, Tensors], tuple[Tensors, Tensors]],
    state: Tensors,
    shapes: list[tuple[int, ...]],
    times: range,
) -> tuple[Tensors, Tensors]:
    """The last state, and all outputs `(Tx, *shape)`, of `state, outputs = step(time, state)` for all `times`."""
    outputs = [tf.TensorArray(state[0].dtype, len(times), element_shape=shape) for shape in shapes]

    def body(count: tf.Tensor, state: Tensors, outputs: list[tf.TensorArray]):
        time = times.start + times.step * count
        state, new = step(time, state)
        return count + 1, state, [array.write(time, value) for array, value in zip(outputs, new, strict=True)]

    _, state, outputs = tf.while_loop(
        lambda count, *_: count < len(times), body, (tf.constant(0), state, outputs), maximum_iterations=len(times)
    )
    return state, [array.stack() for array in outputs]


def _entering(first: tf.Tensor, after: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """The state that enters each step, from the one before the window and those after each step."""
    return tf.concat([first[None], after[:-1]], axis=0) * keep


def _looked_up(table: tf.Tensor, places: tf.Tensor) -> Rows:
    """The sum of the table's rows at `places[:, time]`."""
    n = static_shape(places)[0]
    return lambda time: tf.add_n([tf.gather(table, places[index, time]) for index in range(n)])


def _product(a_in: tf.Tensor, dz: tf.Tensor) -> tf.Tensor:
    """The sum over time and batch of `a^T dz`, as one product."""
    n_a, width = static_shape(a_in)[-1], static_shape(dz)[-1]
    return tf.matmul(tf.reshape(a_in, [-1, n_a]), tf.reshape(dz, [-1, width]), transpose_a=True)


def _table_gradient(table: tf.Tensor, places: tf.Tensor, dz: tf.Tensor) -> tf.Tensor:
    n_inputs, width = static_shape(table)
    if n_inputs <= _FEW_ROWS:
        return _product(_sum_of_one_hots(places, n_inputs, dz.dtype), dz)
    flat = tf.reshape(dz, [-1, width])
    each = [tf.math.unsorted_segment_sum(flat, tf.reshape(place, [-1]), n_inputs) for place in tf.unstack(places)]
    return tf.add_n(each)


def _table_and_kernel(
    table: tf.Tensor, places: tf.Tensor, a_in: tf.Tensor, dz: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of the table and of the recurrent kernel; of a small table, as one product."""
    n_inputs = static_shape(table)[0]
    if n_inputs > _FEW_ROWS:
        return _table_gradient(table, places, dz), _product(a_in, dz)
    both = _product(tf.concat([_sum_of_one_hots(places, n_inputs, dz.dtype), a_in], axis=2), dz)
    return both[:n_inputs], both[n_inputs:]


def _sum_of_one_hots(places: tf.Tensor, n_inputs: int, dtype: tf.DType) -> tf.Tensor:
    """`(Tx, batch, n_inputs)`."""
    return tf.add_n([tf.one_hot(place, n_inputs, dtype=dtype) for place in tf.unstack(places)])
