"""Encoder-decoders in PyTorch, for `seq2seq.py`: training, greedy and beam decoding."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from seq2seq_tasks import Decode, Pairs, Task, Weights
from torch.nn import functional

from seqgen.vocabulary import START

State = tuple[torch.Tensor, ...]  # (a, c) or (a,)


class Attended(NamedTuple):
    """What additive attention looks at, each `(batch, Tx, n_a)`."""

    memory: torch.Tensor
    keys: torch.Tensor


class Model(torch.nn.Module):
    """The encoder-decoder of a task with our weights, time first."""

    def __init__(self, task: Task, weights: Weights, *, embedded: bool, cells: bool) -> None:
        """embedded: where ours reads one-hots, read learned embeddings. cells: the decoder is a cell, not a layer."""
        super().__init__()
        model = task.architecture
        self._model, self._cells = model, cells
        lstm = model.cell == "lstm"
        layer = torch.nn.LSTM if lstm else torch.nn.GRU
        cell = torch.nn.LSTMCell if lstm else torch.nn.GRUCell
        self.source, kernel = _inputs(weights, "encoder", model.source_values, model.n_a if embedded else 0)
        self.encoder = layer(kernel.shape[0], model.n_a)
        _copy_cell(self.encoder, "_l0", weights, "encoder/0", kernel)
        kernel = weights["decoder/0/kernel"]
        if model.feedback:
            self.target, kernel = _inputs(weights, "decoder", model.n_values, model.n_a if embedded else 0)
        self.decoder = (cell if cells else layer)(kernel.shape[0], model.n_a)
        _copy_cell(self.decoder, "" if cells else "_l0", weights, "decoder/0", kernel)
        if model.bridge == "repeat":
            self.repeated = _linear(weights, "bridge")
        if model.attention == "additive":
            self.query = _linear(weights, "attention/query")
            self.memory = _linear(weights, "attention/memory")
            self.score = _linear(weights, "attention/score")
        self.densor = _linear(weights, "densor")

    def forward(self, source: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits `(Ty, batch, n_values)`."""
        if self._model.bridge == "repeat":
            memory, _ = self.encoder(self.source(source))
            context = torch.relu(self.repeated(memory[-1]))
            hidden, _ = self.decoder(context.expand(len(ids), *context.shape))
        elif self._cells:
            state, attended = self.begin(source)
            outputs = []
            for inputs in self.target(ids):
                state = self._advanced(inputs, state, attended)
                outputs.append(state[0])
            hidden = torch.stack(outputs)
        else:
            _, state = self.encoder(self.source(source))
            hidden, _ = self.decoder(self.target(ids), state)
        return self.densor(hidden)

    def begin(self, source: torch.Tensor) -> tuple[State, Attended | None]:
        """The state before the first step."""
        memory, state = self.encoder(self.source(source))
        state = tuple(array[0] for array in state) if isinstance(state, tuple) else (state[0],)
        if self._model.attention == "none":
            return state, None
        memory = memory.transpose(0, 1).contiguous()
        return state, Attended(memory, self.memory(memory))

    def step(self, ids: torch.Tensor, state: State, attended: Attended | None) -> tuple[torch.Tensor, State]:
        """Logits `(batch, n_values)`."""
        state = self._advanced(self.target(ids), state, attended)
        return self.densor(state[0]), state

    def _advanced(self, inputs: torch.Tensor, state: State, attended: Attended | None) -> State:
        if attended is not None:
            scores = self.score(torch.tanh(attended.keys + self.query(state[0])[:, None]))  # (batch, Tx, 1)
            context = torch.bmm(torch.softmax(scores, 1).transpose(1, 2), attended.memory)[:, 0]
            inputs = torch.cat([inputs, context], 1)
        if self._cells:
            after = self.decoder(inputs, state if len(state) > 1 else state[0])
            return after if isinstance(after, tuple) else (after,)
        layers = tuple(array[None] for array in state)
        _, after = self.decoder(inputs[None], layers if len(state) > 1 else layers[0])
        return tuple(array[0] for array in after) if isinstance(after, tuple) else (after[0],)


def training(
    task: Task, weights: Weights, pairs: Pairs, *, embedded: bool, threads: int
) -> tuple[Callable[[], None], Callable[[], np.ndarray]]:
    """A step of training, and what gives the logits `(Ty, batch, n_values)` before it."""
    model = Model(task, weights, embedded=embedded, cells=task.architecture.attention != "none")
    source, ids, targets = (torch.from_numpy(array) for array in pairs)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, fused=True)

    def step() -> None:
        torch.set_num_threads(threads)
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(source, ids).flatten(0, 1), targets.flatten()).backward()
        optimizer.step()

    def logits() -> np.ndarray:
        with torch.inference_mode():
            return model(source, ids).numpy()

    return step, logits


def decoding(model: Model, source: np.ndarray, steps: int, width: int, threads: int) -> Decode:
    """Greedy for a width of 1, else a beam search; source `(Tx, batch)`."""
    ids = torch.from_numpy(source)

    def run() -> tuple[np.ndarray, np.ndarray | None]:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return _beam(model, ids, steps, width) if width > 1 else (_greedy(model, ids, steps), None)

    return run


def _greedy(model: Model, source: torch.Tensor, steps: int) -> np.ndarray:
    state, attended = model.begin(source)
    ids = torch.full((source.shape[1],), START)
    found = []
    for _ in range(steps):
        logits, state = model.step(ids, state, attended)
        ids = logits.argmax(1)
        found.append(ids)
    return torch.stack(found, 1).numpy()


def _beam(model: Model, source: torch.Tensor, steps: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The best of each beam; all beams of all sentences are one batch. No sentence ends before its steps are over."""
    batch = source.shape[1]
    state, attended = model.begin(source)
    state = tuple(array.repeat_interleave(width, 0) for array in state)
    if attended is not None:  # the beams of a sentence share what they attend to, so it is never put in a new order
        attended = Attended(*(array.repeat_interleave(width, 0) for array in attended))
    ids = torch.full((batch * width,), START)
    scores = torch.full((batch, width), -torch.inf)
    scores[:, 0] = 0.0
    firsts = torch.arange(batch)[:, None] * width
    found = torch.empty((batch * width, 0), dtype=torch.int64)
    for _ in range(steps):
        logits, state = model.step(ids, state, attended)
        values, choices = logits.topk(width, 1)
        totals = (values - logits.logsumexp(1, keepdim=True)).view(batch, width, width) + scores[:, :, None]
        scores, places = totals.view(batch, -1).topk(width, 1)
        ids = choices.view(batch, -1).gather(1, places).flatten()
        parents = (firsts + places // width).flatten()
        state = tuple(array.index_select(0, parents) for array in state)
        found = torch.cat([found.index_select(0, parents), ids[:, None]], 1)
    return found.view(batch, width, steps)[:, 0].numpy(), scores[:, 0].numpy()


def _inputs(weights: Weights, side: str, n_values: int, width: int) -> tuple[torch.nn.Embedding, np.ndarray]:
    """What turns ids into the input of a side's cell, and the kernel for it.

    width: of an embedding in place of one-hots, or 0: then one-hots are rows of an identity that is not learned.
    """
    kernel, name = weights[f"{side}/0/kernel"], f"{side}/embedding"
    learned = name in weights or width > 0
    if name in weights:
        table = weights[name]
    elif width:  # one-hots with zeros behind them, so that the numbers stay the same
        table = np.eye(n_values, width, dtype=np.float32)
        kernel = np.pad(kernel, ((0, width - n_values), (0, 0)))
    else:
        table = np.eye(n_values, dtype=np.float32)
    return torch.nn.Embedding.from_pretrained(torch.tensor(table), freeze=not learned), kernel


def _copy_cell(module: torch.nn.Module, suffix: str, weights: Weights, name: str, kernel: np.ndarray) -> None:
    """LSTM gates have the same order in Keras and PyTorch, with one bias of two; those of a GRU do not."""
    recurrent, bias = weights[f"{name}/recurrent_kernel"], weights[f"{name}/bias"]
    if bias.ndim == 1:
        biases, order = (bias, np.zeros_like(bias)), (0, 1, 2, 3)
    else:
        biases, order = (bias[0], bias[1]), (1, 0, 2)  # reset, update, candidate
    values = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": biases[0], "bias_hh": biases[1]}
    with torch.no_grad():
        for field, value in values.items():
            gates = np.split(value, len(order))
            value = np.concatenate([gates[gate] for gate in order])
            getattr(module, field + suffix).copy_(torch.from_numpy(value))


def _linear(weights: Weights, name: str) -> torch.nn.Linear:
    kernel, bias = weights[f"{name}/kernel"], weights.get(f"{name}/bias")
    linear = torch.nn.Linear(*kernel.shape, bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(kernel.T))
        if bias is not None:
            linear.bias.copy_(torch.tensor(bias))
    return linear
