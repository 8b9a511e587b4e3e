"""Ctrl-C between two steps of a loop, never within one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted_between_steps() -> Iterator[Callable[[], None]]:
    """Ctrl-C waits for the function that this gives, so that no step is cut in two; a second one does not wait."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def answer() -> None:
        if asked:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield answer
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield answer
    finally:
        signal.signal(signal.SIGINT, before)
