"""Training on several hosts: who they are, as TF_CONFIG says it, and the sums they compute together.

Every worker computes the gradients of its own lanes; one collective a step adds them up and hands every worker the
states of all lanes, so that each could save the whole run. TensorFlow is loaded when the workers join.
"""

import functools
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from seqgen.errors import ClusterError, ConfigError
from seqgen.threads import processors
from seqgen.training.settings import RunSettings

_WAIT = 600  # seconds for all to be there, and for a step: a host may read its corpus or compile for minutes
_HERE, _GO = b"seqgen worker\n", b"go\n"
_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Task:
    """Which of the workers this process is."""

    workers: tuple[str, ...]  # host:port; the first is the chief, which alone writes files
    index: int
    jobs: tuple[str, ...]  # TensorFlow's names of them

    @property
    def is_chief(self) -> bool:
        return self.index == 0


def task_of_environment(settings: RunSettings) -> Task | None:
    """This process's task by the variable TF_CONFIG; None where there is no cluster, or one of one process.

    Raises:
        ConfigError: TF_CONFIG is not what it should be, or the settings have no length in steps, which is the only one
            that ends at the same step on every host.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text or "{}")
    except ValueError as error:
        raise ConfigError(f"TF_CONFIG is no JSON ({error}); wanted for example {_EXAMPLE}") from error
    jobs = config.get("cluster", {}) if isinstance(config, dict) else None
    if jobs == {}:
        return None
    if not isinstance(jobs, dict) or not jobs.keys() <= {"chief", "worker"}:
        came = ", ".join(jobs) if isinstance(jobs, dict) else text
        raise ConfigError(f"the cluster of TF_CONFIG may have a chief and workers, not {came}; for example {_EXAMPLE}")
    names, workers = [], []
    for job in ("chief", "worker"):
        addresses = jobs.get(job, [])
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise ConfigError(f"{job} in TF_CONFIG must be a list of host:port, not {addresses!r}")
        names += [f"/job:{job}/task:{index}" for index in range(len(addresses))]
        workers += addresses
    for address in workers:
        if not re.fullmatch(r".+:\d{1,5}", address):
            raise ConfigError(f"a worker in TF_CONFIG is host:port, not {address!r}")
    if len(set(workers)) < len(workers):
        raise ConfigError(f"TF_CONFIG names a worker twice: {', '.join(workers)}")
    task = config.get("task")
    task = task if isinstance(task, dict) else {}
    own = f"/job:{task.get('type')}/task:{task.get('index')}"
    if own not in names:
        raise ConfigError(
            f"the task of TF_CONFIG must be one of its cluster's {len(names)}, not {config.get('task')!r};"
            f" for example {_EXAMPLE}"
        )
    if len(workers) == 1:
        return None
    if settings.epochs is None and settings.max_steps is None:
        raise ConfigError("give --epochs or --max-steps on a cluster: its hosts cannot end by their own clocks")
    return Task(tuple(workers), names.index(own), tuple(names))


class Cluster:
    """The workers that have joined, seen from one of them."""

    def __init__(self, task: Task) -> None:
        """Wait for the others, at most ten minutes. TensorFlow must not have been used before.

        Raises:
            ClusterError: not all of them came. ConfigError: TensorFlow was used before, or the port is taken.
        """
        self.task = task
        self.size = len(task.workers)
        _meet(task)
        import tensorflow as tf

        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=_WAIT)
        try:
            with self.watched():
                self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        except RuntimeError as error:
            raise ConfigError(f"on a cluster, train before anything else uses TensorFlow: {error}") from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # TensorFlow has made it do nothing
        self._add = tf.function(self.add)

    def add(self, vector: Any) -> Any:
        """The sum over all workers, bit for bit the same on each; for use within a tf.function."""
        import tensorflow as tf

        def replica() -> Any:
            return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(vector))

        return self._strategy.experimental_local_results(self._strategy.run(replica))[0]

    def from_chief(self, data: bytes) -> bytes:
        """What the chief gave; the others' data are ignored."""
        import numpy as np
        import tensorflow as tf

        with self.watched():
            size = int(self._add(tf.constant([len(data) if self.task.is_chief else 0], tf.int64))[0])
            padded = np.zeros(-(-size // 4), np.int32)
            if self.task.is_chief:
                padded.view(np.uint8)[:size] = np.frombuffer(data, np.uint8)
            return np.asarray(self._add(tf.constant(padded))).tobytes()[:size]

    def with_shards(self, settings: RunSettings) -> RunSettings:
        """The settings with the chief's number of shards, which otherwise follows from each host's processors."""
        shards = self.from_chief(str(settings.shards or processors()).encode())
        return replace(settings, shards=int(shards))

    def check_same(self, run: dict[str, Any]) -> None:
        """Whether this worker's run is the chief's.

        Raises:
            ConfigError: naming what differs.
        """
        chief = json.loads(self.from_chief(json.dumps(run).encode()))
        for name in run:
            if run[name] != chief[name]:
                raise ConfigError(
                    f"every worker needs the command and the files of the chief {self.task.workers[0]}: its"
                    f" {name.replace('_', ' ')} is {chief[name]!r}, here {run[name]!r}"
                )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Where collectives run: another worker's end becomes a ClusterError that names it."""
        import tensorflow as tf

        errors = tf.errors
        ended = (errors.UnavailableError, errors.DeadlineExceededError, errors.AbortedError, errors.CancelledError)
        try:
            yield
        except (*ended, errors.InternalError) as error:
            # a killed worker closes its connections, and of one that hangs the heartbeat stops: TensorFlow aborts the
            # collective at once or after ten seconds, and where it knows names the task
            job = re.search(r"/job:(\w+)/(?:replica:0/)?(task:\d+)", error.message)
            name = f"/job:{job[1]}/{job[2]}" if job else ""
            index = self.task.jobs.index(name) if name in self.task.jobs else self.task.index
            if index == self.task.index and "CoordinationService" in error.message:
                index = 0  # which has that service
            kind = "worker" if index else "the chief"
            who = "another worker" if index == self.task.index else f"{kind} {self.task.workers[index]}"
            raise ClusterError(
                f"{who} has stopped or cannot be reached; see what it said, then start all workers again, with --resume"
                " if the chief has saved a checkpoint"
            ) from error


@functools.cache
def join(task: Task) -> Cluster:
    """The cluster; a process can join one only once."""
    return Cluster(task)


def _meet(task: Task) -> None:
    """Wait until all are there: TensorFlow's own waiting cannot be interrupted, and would not say who is missing."""
    deadline = time.monotonic() + _WAIT
    port = int(task.workers[task.index].rpartition(":")[2])
    try:
        server = socket.create_server(("", port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"this worker cannot listen at {task.workers[task.index]} of TF_CONFIG: {error}") from error
    with server:
        if task.is_chief:
            reached = [_reach(address, deadline) for address in task.workers[1:]]
            for one in reached:
                with one:
                    one.sendall(_GO)
            return
        while True:
            server.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                one, _ = server.accept()
                with one:
                    one.settimeout(max(0.1, deadline - time.monotonic()))
                    one.sendall(_HERE)
                    if one.recv(len(_GO)) == _GO:
                        return
            except TimeoutError as error:
                raise ClusterError(
                    f"the chief {task.workers[0]} or another worker did not come in {_WAIT} s"
                ) from error
            except OSError:
                continue  # a chief that was stopped while it waited; another may come


def _reach(address: str, deadline: float) -> socket.socket:
    host, _, port = address.rpartition(":")
    while True:
        try:
            one = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
            if one.recv(len(_HERE)) == _HERE:
                return one
            one.close()
            reason = "something else answers there"
        except OSError as error:
            reason = error.strerror or str(error)
        if time.monotonic() > deadline:
            raise ClusterError(
                f"worker {address} did not come in {_WAIT} s: {reason}; is the same command running there?"
            )
        time.sleep(0.5)
