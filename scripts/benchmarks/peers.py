"""One step of a generator by everyone whom `generation.py` measures: PyTorch, onnxruntime, Keras.

A step takes the ids of a batch as a numpy array, and gives logits (or probabilities) that numpy can read; the state
stays with whoever steps.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from seqgen import models
from seqgen.modelfile import Architecture
from seqgen.models.weights import build, weights_of

CORES = os.cpu_count() or 1
LITERAL_STEPS = 20  # the literal model is compiled for so many

Step = Callable[[np.ndarray], Any]  # ids (batch,) to logits or probabilities (batch, n_values)


class Task(NamedTuple):
    """What all of them compute."""

    architecture: Architecture
    weights: dict[str, np.ndarray]
    cells: list[Any]
    densor: Any
    batch: int

    def layer(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kernel, recurrent, bias = (
            self.weights[f"layers/{index}/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
        )
        return kernel, recurrent, bias

    @property
    def bytes_read(self) -> int:
        """Of the weights, in one step: of the first layer's kernel a row is taken, the others are read whole."""
        whole = [array for name, array in self.weights.items() if name != "layers/0/kernel"]
        return sum(array.nbytes for array in whole) + self.weights["layers/0/kernel"][0].nbytes


def made_task(size: tuple[int, int, int], batch: int) -> Task:
    n_values, n_a, layers = size
    architecture = Architecture(cell="lstm", n_a=n_a, layers=layers, n_values=n_values)
    cells, densor = build(architecture, seed=0)
    return Task(architecture, weights_of(cells, densor), cells, densor, batch)


def torch_stack(task: Task, threads: int) -> Step:
    """nn.LSTM over one step."""
    a = task.architecture
    lstm, dense = torch.nn.LSTM(a.n_values, a.n_a, a.layers), torch_dense(task)
    for index in range(a.layers):
        torch_copy(lstm, f"_l{index}", *task.layer(index))
    eye = torch.eye(a.n_values)
    zeros = torch.zeros(a.layers, task.batch, a.n_a)
    state = [(zeros, zeros)]

    def step(ids: np.ndarray) -> np.ndarray:
        hidden, state[0] = lstm(torch.nn.functional.embedding(torch.from_numpy(ids), eye)[None], state[0])
        return dense(hidden[0]).numpy()

    return torch_step(step, threads)


def torch_cells(task: Task, threads: int) -> Step:
    """nn.LSTMCell, one a layer."""
    a = task.architecture
    cells = [torch.nn.LSTMCell(a.n_a if index else a.n_values, a.n_a) for index in range(a.layers)]
    for index, cell in enumerate(cells):
        torch_copy(cell, "", *task.layer(index))
    dense, eye = torch_dense(task), torch.eye(a.n_values)
    zeros = torch.zeros(task.batch, a.n_a)
    states = [(zeros, zeros)] * a.layers

    def step(ids: np.ndarray) -> np.ndarray:
        hidden = torch.nn.functional.embedding(torch.from_numpy(ids), eye)
        for index, cell in enumerate(cells):
            states[index] = cell(hidden, states[index])
            hidden = states[index][0]
        return dense(hidden).numpy()

    return torch_step(step, threads)


def torch_step(step: Step, threads: int) -> Step:
    """A step in inference mode; setting the threads anew costs nothing that could be measured."""

    def alone(ids: np.ndarray) -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return step(ids)

    return alone


def torch_copy(
    module: torch.nn.Module, suffix: str, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray
) -> None:
    """Keras' gates have PyTorch's order; there the second bias is left at zero."""
    values = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": bias, "bias_hh": np.zeros_like(bias)}
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name + suffix).copy_(torch.from_numpy(value.copy()))


def torch_dense(task: Task) -> torch.nn.Linear:
    dense = torch.nn.Linear(task.architecture.n_a, task.architecture.n_values)
    with torch.no_grad():
        dense.weight.copy_(torch.from_numpy(task.weights["densor/kernel"].T.copy()))
        dense.bias.copy_(torch.from_numpy(task.weights["densor/bias"].copy()))
    return dense


def onnx_step(task: Task, graph: Callable[[Task], onnx.ModelProto], threads: int) -> Step:
    """The exported step, its inputs and outputs bound once: what one step writes the next one reads."""
    a = task.architecture
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(graph(task).SerializeToString(), options, providers=["CPUExecutionProvider"])
    ids = np.zeros(task.batch, np.int64)
    logits = np.zeros((task.batch, a.n_values), np.float32)
    names = [f"{kind}{index}" for index in range(a.layers) for kind in ("a", "c")]
    shape = tuple(one if isinstance(one, int) else task.batch for one in session.get_inputs()[1].shape)
    both = [{name: np.zeros(shape, np.float32) for name in names} for _ in range(2)]
    bindings = []
    for before, after in (both, reversed(both)):
        binding = session.io_binding()
        binding.bind_input("ids", "cpu", 0, np.int64, ids.shape, ids.ctypes.data)
        binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        for name in names:
            binding.bind_input(name, "cpu", 0, np.float32, shape, before[name].ctypes.data)
            binding.bind_output(f"{name}_after", "cpu", 0, np.float32, shape, after[name].ctypes.data)
        bindings.append(binding)
    run = session._sess.run_with_iobinding  # without the checks of the Python layer
    handles = [binding._iobinding for binding in bindings]

    def step(now: np.ndarray) -> np.ndarray:
        ids[:] = now
        run(handles[0], None)
        handles.reverse()
        return logits

    step.kept = (both, bindings, session)  # the bindings hold bare addresses
    return step


def lstm_graph(task: Task) -> onnx.ModelProto:
    """As exporters write it: a one-hot, an LSTM operator of length 1 for every layer, a dense layer."""
    a, constants, nodes = task.architecture, {}, []
    order = np.concatenate([np.arange(a.n_a) + gate * a.n_a for gate in (0, 3, 1, 2)])  # i, o, f, c
    constants["eye"] = np.eye(a.n_values, dtype=np.float32)
    nodes += [
        helper.make_node("Gather", ["eye", "ids"], ["hot"]),
        helper.make_node("Unsqueeze", ["hot", "axis"], ["x0"]),
    ]
    constants["axis"] = np.array([0])
    for index in range(a.layers):
        kernel, recurrent, bias = task.layer(index)
        constants[f"W{index}"], constants[f"R{index}"] = kernel.T[order][None], recurrent.T[order][None]
        constants[f"B{index}"] = np.concatenate([bias[order], np.zeros_like(bias)])[None]
        inputs = [f"x{index}", f"W{index}", f"R{index}", f"B{index}", "", f"a{index}", f"c{index}"]
        outputs = [f"y{index}", f"a{index}_after", f"c{index}_after"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=a.n_a))
        nodes.append(helper.make_node("Squeeze", [f"y{index}", "axis1"], [f"x{index + 1}"]))
    constants["axis1"] = np.array([1])
    nodes.append(helper.make_node("Squeeze", [f"x{a.layers}", "axis"], ["top"]))
    return onnx_model(task, nodes, constants, (1, task.batch, a.n_a))


def gates_graph(task: Task) -> onnx.ModelProto:
    """Written for speed, as ours is: a row of the kernel instead of a one-hot, one product a layer."""
    a, constants, nodes = task.architecture, {}, []
    order = np.concatenate([np.arange(a.n_a) + gate * a.n_a for gate in (0, 1, 3, 2)])  # i, f, o, c
    constants["parts"], constants["gates"] = np.array([3 * a.n_a, a.n_a]), np.full(3, a.n_a)
    for index in range(a.layers):
        kernel, recurrent, bias = task.layer(index)
        if index:
            constants[f"K{index}"] = np.concatenate([kernel, recurrent])[:, order]
            constants[f"B{index}"] = bias[order]
            nodes.append(helper.make_node("Concat", [f"a{index - 1}_after", f"a{index}"], [f"both{index}"], axis=1))
            nodes.append(helper.make_node("Gemm", [f"both{index}", f"K{index}", f"B{index}"], [f"z{index}"]))
        else:
            constants["table"], constants["K0"] = (kernel + bias)[:, order], recurrent[:, order]
            nodes.append(helper.make_node("Gather", ["table", "ids"], ["row"]))
            nodes.append(helper.make_node("Gemm", ["a0", "K0", "row"], ["z0"]))
        made = {
            name: f"{name}{index}" for name in ("z", "s", "sig", "i", "f", "o", "u", "g", "fc", "ig", "t", "c", "a")
        }
        after = {name: f"{name}{index}_after" for name in "ac"}
        nodes += [
            helper.make_node("Split", [made["z"], "parts"], [made["s"], made["u"]], axis=1),
            helper.make_node("Sigmoid", [made["s"]], [made["sig"]]),
            helper.make_node("Tanh", [made["u"]], [made["g"]]),
            helper.make_node("Split", [made["sig"], "gates"], [made["i"], made["f"], made["o"]], axis=1),
            helper.make_node("Mul", [made["f"], made["c"]], [made["fc"]]),
            helper.make_node("Mul", [made["i"], made["g"]], [made["ig"]]),
            helper.make_node("Add", [made["fc"], made["ig"]], [after["c"]]),
            helper.make_node("Tanh", [after["c"]], [made["t"]]),
            helper.make_node("Mul", [made["o"], made["t"]], [after["a"]]),
        ]
    nodes.append(helper.make_node("Identity", [f"a{a.layers - 1}_after"], ["top"]))
    return onnx_model(task, nodes, constants, (task.batch, a.n_a))


def onnx_model(
    task: Task, nodes: list[Any], constants: dict[str, np.ndarray], shape: tuple[int, ...]
) -> onnx.ModelProto:
    """The graph closed by the dense layer; every state has the `shape`."""
    a = task.architecture
    constants["D"], constants["d"] = task.weights["densor/kernel"], task.weights["densor/bias"]
    nodes.append(helper.make_node("Gemm", ["top", "D", "d"], ["logits"]))
    names = [f"{kind}{index}" for index in range(a.layers) for kind in ("a", "c")]

    def floats(name: str, shape: tuple[int, ...]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "step",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, (task.batch,)),
            *(floats(one, shape) for one in names),
        ],
        [floats("logits", (task.batch, a.n_values)), *(floats(f"{one}_after", shape) for one in names)],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def keras_predict(task: Task) -> Step:
    """One step of the cells as a model, by `predict`."""
    a = task.architecture
    states = [[keras.Input((a.n_a,)) for _ in range(2)] for _ in range(a.layers)]
    x = hot = keras.Input((a.n_values,))
    after = []
    for cell, state in zip(task.cells, states, strict=True):
        x, state = cell(x, state)
        after += state
    model = keras.Model([hot, *(one for state in states for one in state)], [task.densor(x), *after])
    now = [np.zeros((task.batch, a.n_a), np.float32) for _ in after]
    eye = np.eye(a.n_values, dtype=np.float32)

    def step(ids: np.ndarray) -> np.ndarray:
        probabilities, *now[:] = model.predict([eye[ids], *now], batch_size=task.batch, verbose=0)
        return probabilities

    return step


def literal(task: Task) -> Callable[[], list[np.ndarray]]:
    """`LITERAL_STEPS` steps by `predict` of the unrolled inference model, from zeros and the first id."""
    a = task.architecture
    model = models.inference_model(task.cells, task.densor, LITERAL_STEPS)
    x0 = np.zeros((task.batch, 1, a.n_values), np.float32)
    x0[:, :, 1] = 1
    zeros = np.zeros((task.batch, a.n_a), np.float32)
    inputs = [x0, *([zeros] * a.layers if a.layers > 1 else zeros for _ in range(2))]  # a0 and c0, lists for a stack
    return lambda: model.predict(inputs, batch_size=task.batch, verbose=0)


def steps(task: Task) -> dict[str, Step]:
    made: dict[str, Step] = {}
    for threads in sorted({1, CORES}):
        with_threads = f"{threads} thread{'s' if threads > 1 else ''}"
        made[f"PyTorch nn.LSTM, {with_threads}"] = torch_stack(task, threads)
        made[f"PyTorch nn.LSTMCell, {with_threads}"] = torch_cells(task, threads)
        made[f"onnxruntime LSTM, {with_threads}"] = onnx_step(task, lstm_graph, threads)
        made[f"onnxruntime gates, {with_threads}"] = onnx_step(task, gates_graph, threads)
    made["Keras predict"] = keras_predict(task)
    return made
