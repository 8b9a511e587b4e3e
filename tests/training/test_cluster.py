"""Several hosts: what TF_CONFIG may say, and real processes on this machine, by way of scripts/cluster-demo."""

import importlib.machinery
import importlib.util
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqgen.errors import ClusterError, ConfigError
from seqgen.training import cluster, make_settings
from seqgen.training.cluster import Task, task_of_environment

DEMO = Path(__file__).parents[2] / "scripts" / "cluster-demo"
STEPS = make_settings(max_steps=3)


def task_of(monkeypatch, cluster: object, task: object = None, settings=STEPS) -> Task | None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    return task_of_environment(settings)


def demo():
    loader = importlib.machinery.SourceFileLoader("cluster_demo", str(DEMO))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cluster_demo", loader))
    loader.exec_module(module)
    return module


# --- TF_CONFIG ---


def test_workers_are_numbered_from_the_chief(monkeypatch):
    workers = ["a:1", "b:2"]
    task = task_of(monkeypatch, {"worker": workers}, {"type": "worker", "index": 1})
    assert task == Task(("a:1", "b:2"), 1, ("/job:worker/task:0", "/job:worker/task:1"))
    assert not task.is_chief
    task = task_of(monkeypatch, {"worker": workers, "chief": ["c:3"]}, {"type": "worker", "index": 0})
    assert task == Task(("c:3", "a:1", "b:2"), 1, ("/job:chief/task:0", "/job:worker/task:0", "/job:worker/task:1"))
    assert task_of(monkeypatch, {"worker": workers, "chief": ["c:3"]}, {"type": "chief", "index": 0}).is_chief


@pytest.mark.parametrize("text", [None, "", "{}", '{"cluster": {}}', '{"task": {"type": "worker", "index": 0}}'])
def test_without_a_cluster_there_is_none(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert task_of_environment(make_settings(minutes=1)) is None


def test_a_cluster_of_one_is_none(monkeypatch):
    assert task_of(monkeypatch, {"worker": ["a:1"]}, {"type": "worker", "index": 0}, make_settings()) is None


@pytest.mark.parametrize("text", ["worker", "{", "[1]", "3", '"host1:1"'])
def test_what_is_no_object_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match=r"TF_CONFIG .*for example"):
        task_of_environment(STEPS)


@pytest.mark.parametrize(
    ("cluster", "task", "said"),
    [
        (["a:1"], None, "may have a chief and workers, not"),
        ({"worker": ["a:1", "b:1"], "ps": ["c:1"]}, None, "may have a chief and workers, not worker, ps"),
        ({"worker": "a:1,b:1"}, None, "worker in TF_CONFIG must be a list of host:port, not 'a:1,b:1'"),
        ({"worker": ["a:1", 2]}, None, "must be a list of host:port"),
        ({"worker": ["a:1", "b"]}, {"type": "worker", "index": 0}, "is host:port, not 'b'"),
        ({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}, "names a worker twice: a:1, a:1"),
        ({"worker": ["a:1", "b:1"]}, None, "one of its cluster's 2, not None"),
        ({"worker": ["a:1", "b:1"]}, {"type": "worker"}, "not {'type': 'worker'}"),
        ({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 2}, "'index': 2"),
        ({"worker": ["a:1", "b:1"]}, {"type": "chief", "index": 0}, "'type': 'chief'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(monkeypatch, cluster, task, said):
    with pytest.raises(ConfigError, match=said):
        task_of(monkeypatch, cluster, task)


@pytest.mark.parametrize("length", [{}, {"minutes": 2}])
def test_a_cluster_needs_a_length_in_steps(monkeypatch, length):
    with pytest.raises(ConfigError, match="give --epochs or --max-steps on a cluster"):
        task_of(monkeypatch, {"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0}, make_settings(**length))


# --- meeting ---


def two_tasks() -> list[Task]:
    workers = tuple(f"127.0.0.1:{port}" for port in demo().free_ports(2))
    return [Task(workers, index, ("/job:worker/task:0", "/job:worker/task:1")) for index in range(2)]


def test_workers_meet_whoever_comes_first_and_after_a_chief_that_gave_up():
    chief, worker = two_tasks()
    waiting = threading.Thread(target=cluster._meet, args=[worker])
    waiting.start()
    cluster._reach(worker.workers[1], deadline=float("inf")).close()  # a chief that is gone
    assert waiting.is_alive()
    cluster._meet(chief)
    waiting.join(timeout=10)
    assert not waiting.is_alive()


def test_who_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_WAIT", 0.2)
    chief, worker = two_tasks()
    with pytest.raises(ClusterError, match=f"worker {chief.workers[1]} did not come"):
        cluster._meet(chief)
    with pytest.raises(ClusterError, match=f"the chief {chief.workers[0]} or another worker did not come"):
        cluster._meet(worker)
    with (
        socket.create_server(("", int(worker.workers[1].rpartition(":")[2]))),
        pytest.raises(ConfigError, match=f"cannot listen at {worker.workers[1]}"),
    ):
        cluster._meet(worker)


# --- real workers ---


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--kill"]], ids=["whole", "killed"])
def test_workers_learn_what_one_process_learns(options):
    done = subprocess.run(
        [sys.executable, str(DEMO), *options], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_others_say_that_the_chief_was_killed(tmp_path):
    module = demo()
    chief, worker = module.start_two(tmp_path, "--max-steps", "100000", "--checkpoint-every", "50")
    module.after_next_checkpoint(tmp_path / "worker0", chief, "chief")
    chief.send_signal(signal.SIGKILL)
    _, said = worker.communicate(timeout=60)
    chief.communicate()
    assert worker.returncode == 1
    assert "seqgen: the chief 127.0.0.1:" in said.splitlines()[-1]
    assert not list((tmp_path / "worker1").iterdir())


@pytest.mark.slow
def test_workers_with_other_settings_are_told_the_difference(tmp_path):
    module = demo()
    jobs = {"worker": [f"127.0.0.1:{port}" for port in module.free_ports(2)]}
    chief, worker = (
        module.start(
            tmp_path / str(index),
            "--max-steps",
            str(3 + index),
            config={"cluster": jobs, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    )
    said = [process.communicate(timeout=60)[1].splitlines()[-1] for process in (chief, worker)]
    assert [chief.returncode, worker.returncode] == [1, 1]
    assert "its max steps is 3, here 4" in said[1]
    assert f"worker {jobs['worker'][1]} has stopped" in said[0]
