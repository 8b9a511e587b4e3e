"""Numpy's own threads, kept off where they hurt.

The products of a step are too small to share: handing them to a second thread costs more than it gives, and on a busy
machine each product waits for that thread to be scheduled.
"""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_thread() -> AbstractContextManager[object]:
    """Inside, numpy computes on the calling thread alone."""
    return threadpool_limits(limits=1, user_api="blas")
