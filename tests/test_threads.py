import multiprocessing
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from seqgen.threads import one_thread, processors, together


def test_numpy_is_kept_on_one_thread():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    with one_thread():
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
    assert [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"] == before


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_task_is_done_once(count):
    done = [0] * count

    def task(index: int) -> None:
        done[index] += 1

    for _ in range(50):
        together([lambda index=index: task(index) for index in range(count)])
    assert done == [50] * count


def test_an_error_arrives():
    def fails() -> None:
        raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        together([lambda: None, fails])


def test_what_no_thread_begins_the_caller_does():
    free, ours, names = threading.Event(), processors(), []
    waiting = threading.Thread(target=together, args=([lambda: None, *[free.wait] * ours],))
    # every thread of the pool waits; what comes now can be done by the caller alone
    waiting.start()
    try:
        together([lambda: None, lambda: names.append(threading.current_thread())])
    finally:
        free.set()
        waiting.join()
    assert len(names) == 1


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    together([lambda: None, lambda: None])
    process = multiprocessing.get_context("fork").Process(target=together, args=([lambda: None, lambda: None],))
    process.start()
    process.join(20)
    assert process.exitcode == 0
