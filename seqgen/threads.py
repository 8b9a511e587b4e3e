"""Numpy's own threads, kept off where they hurt.

The products of a step are too small to share: handing them to a second thread costs more than it gives, and on a busy
machine each product waits for that thread to be scheduled.
"""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Inside, numpy computes on the calling thread alone."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    """Finding the libraries takes a hundred times as long as a step of a small model."""
    return ThreadpoolController()
