"""Threads where they help.

Those of numpy do not: handing a product of a step to a second thread costs more than it gives where the product is
small, and on a busy machine each product waits for that thread to be scheduled. Rows of a batch have nothing to do with
one another, though, and can be shared out for a whole step.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

_pool: ThreadPoolExecutor | None = None


def processors() -> int:
    """The processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def one_thread() -> AbstractContextManager[object]:
    """Inside, numpy computes on the calling thread alone."""
    return blas_threads(1)


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Inside, numpy shares a product over so many threads. Entering takes some microseconds."""
    return _controller().limit(limits=count, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    """Finding the libraries takes a hundred times as long as a step of a small model."""
    return ThreadpoolController()


def together(tasks: Sequence[Callable[[], None]]) -> None:
    """Do all at once, and wait for the last. What no other thread has begun, on a busy machine, the caller does."""
    global _pool  # noqa: PLW0603
    if _pool is None:
        _pool = ThreadPoolExecutor(processors(), "seqgen")
    others = [(_pool.submit(task), task) for task in tasks[1:]]
    tasks[0]()
    for future, task in others:
        if future.cancel():
            task()
        else:
            future.result()


def _forget() -> None:
    global _pool  # noqa: PLW0603
    _pool = None  # its threads stayed in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
