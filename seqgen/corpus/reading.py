"""Music files to packed Pieces, in several processes that can be killed: one bad file costs only itself.

Some damaged files keep a parser busy for minutes, need gigabytes or end the process. So every file has a time limit,
every process a memory limit, and what fails comes back as a reason.
"""

import queue
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

from seqgen import formats
from seqgen.corpus.packed import pack
from seqgen.errors import FormatError, MissingExtra
from seqgen.piece import Piece
from seqgen.threads import processors

TIMEOUT_S = 20.0  # a file
MEMORY_BYTES = 1 << 30  # a process, on top of what it has when it starts
# MIDI files take microseconds each, so they go to a process in bundles
_BUNDLE_FILES, _BUNDLE_BYTES = 64, 1 << 20
_TASKS_A_PROCESS = 400  # then a new one starts: music21 keeps some memory of every file

Reader = Callable[[Path], list[Piece]]


class Failure(NamedTuple):
    """Why a file gave nothing; `extra` names the optional part that would read it."""

    reason: str
    extra: str = ""


_BREAKDOWNS = 3  # in a row, of a process for one file: then the others are not tried
_NO_ANSWER = Failure("the reading process ended at once")


class Job(NamedTuple):
    """A file to read, and its size in bytes."""

    path: Path
    size: int


def read_music(path: Path) -> list[Piece]:
    """The default reader."""
    pieces = formats.read_all(path)
    if any(isinstance(piece, str) for piece in pieces):
        raise FormatError("this is text, not music")
    return [piece for piece in pieces if isinstance(piece, Piece)]


def read_jobs(
    jobs: Sequence[Job],
    reader: Reader = read_music,
    *,
    workers: int | None = None,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[tuple[int, bytes | Failure]]:
    """Yields (index into `jobs`, packed Pieces or why there are none) as they come, each index once.

    `reader` must be importable by its name: it runs in other processes. `workers` is how many, by default one for each
    CPU. Closing the iterator, or an exception where it is used, ends them.
    """
    if not jobs:
        return
    limits = _Limits(timeout_s, memory_bytes)
    bundles = _bundles(jobs)
    alone = False  # a pool broke down and answered nothing: is it the next file, or can no process run here?
    ended_at_once = 0
    while bundles:
        turn, later = (bundles[:1], bundles[1:]) if alone else (bundles, [])
        answered = 0
        again: list[list[int]] = []
        for bundle, outcome in _run(jobs, turn, reader, max(1, min(workers or processors(), len(turn))), limits):
            answered += outcome is not None
            if isinstance(outcome, list):
                yield from zip(bundle, outcome, strict=True)
            elif len(bundle) > 1:  # one of these files is the bad one
                again += [[index] for index in bundle]
            elif outcome is not None:
                yield bundle[0], outcome
            elif alone:
                ended_at_once += 1
                yield bundle[0], _NO_ANSWER
            else:
                again.append(bundle)
        alone = not answered
        ended_at_once *= alone
        bundles = again + later
        if ended_at_once == _BREAKDOWNS:
            yield from ((index, _NO_ANSWER) for bundle in bundles for index in bundle)
            return


class _Limits(NamedTuple):
    timeout_s: float
    memory_bytes: int


def _bundles(jobs: Sequence[Job]) -> list[list[int]]:
    """Indices that go to a process together; large files first, so that none is left for the end."""
    order = sorted(range(len(jobs)), key=lambda index: (-jobs[index].size, index))
    bundles: list[list[int]] = []
    quick: list[int] = []
    size = 0
    for index in order:
        if formats.READERS.get(jobs[index].path.suffix.lower()) is not formats.MIDI:
            bundles.append([index])
            continue
        if quick and (len(quick) == _BUNDLE_FILES or size + jobs[index].size > _BUNDLE_BYTES):
            bundles.append(quick)
            quick, size = [], 0
        quick.append(index)
        size += jobs[index].size
    return bundles + [quick] * bool(quick)


def _run(
    jobs: Sequence[Job], bundles: list[list[int]], reader: Reader, workers: int, limits: _Limits
) -> Iterator[tuple[list[int], list[bytes | Failure] | Failure | None]]:
    """Yields each bundle with an outcome for each file, why the whole bundle failed, or None if nobody knows."""
    from pebble import ProcessExpired, ProcessPool

    pool = ProcessPool(
        max_workers=workers,
        max_tasks=_TASKS_A_PROCESS,
        initializer=_limit_memory,
        initargs=(limits.memory_bytes,),
        context=_WithoutMain(),  # type: ignore[arg-type]  # a context serves as the module does
    )
    waiting: dict[Future[Any], list[int]] = {}
    finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
    try:
        for bundle in bundles:
            paths = [jobs[index].path for index in bundle]
            future = pool.schedule(_read_bundle, (paths, reader, limits.timeout_s), timeout=limits.timeout_s)
            waiting[future] = bundle
            future.add_done_callback(finished.put)
        while waiting:
            try:
                future = finished.get(timeout=0.5)  # without one, Windows does not hear Ctrl-C
            except queue.Empty:
                continue
            outcome: list[bytes | Failure] | Failure | None
            try:
                outcome = future.result()
            except TimeoutError:
                outcome = Failure(f"not read after {limits.timeout_s:g} s")
            except ProcessExpired as error:
                outcome = Failure(f"the reader crashed ({_exit(error.exitcode)})")
            except MemoryError:
                outcome = Failure(_too_large(limits.memory_bytes))
            except (BrokenProcessPool, CancelledError):
                outcome = None
            yield waiting.pop(future), outcome
        pool.close()
    finally:
        pool.stop()
        pool.join()


def _read_bundle(paths: list[Path], reader: Reader, timeout_s: float) -> list[bytes | Failure]:
    """In the reading process."""
    if hasattr(signal, "alarm"):  # ends this process even if the one that would kill it is gone
        signal.alarm(int(timeout_s) + 10)
    outcomes = [_read_one(path, reader) for path in paths]
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    return outcomes


def _read_one(path: Path, reader: Reader) -> bytes | Failure:
    try:
        return pack(reader(path))
    except MissingExtra as error:
        return Failure(str(error), error.extra)
    except FormatError as error:
        return Failure(str(error))
    except MemoryError:
        raise
    except Exception as error:  # whatever a parser trips over is the file's failure, not the corpus'
        return Failure(f"{type(error).__name__}: {error}")


def _too_large(memory_bytes: int) -> str:
    return f"needs more than {memory_bytes / 2**30:g} GB of memory"


def _exit(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            pass
    return f"exit code {code}"


def _limit_memory(memory_bytes: int) -> None:
    """In the reading process. Only Linux enforces such a limit."""
    if sys.platform != "linux":
        return
    import resource

    # data, not address space: libraries reserve far more addresses than they use, the more the more CPUs there are
    with open("/proc/self/statm", encoding="ascii") as file:
        in_use = int(file.read().split()[5]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = in_use + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most < 0 else min(wanted, most), most))


_starting = threading.Lock()


class _Process(SpawnProcess):
    """A spawned process that does not run the user's script again.

    Python would import `__main__` in every child: a script without `if __name__ == "__main__"` would start over there,
    and one that uses TensorFlow would load it.
    """

    def start(self) -> None:
        with _starting:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = types.ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class _WithoutMain(SpawnContext):
    Process = _Process  # type: ignore[assignment]
