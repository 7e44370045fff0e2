"""Ending on request: the step is finished and saved before the process goes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether, and by which signal, the process was asked to end."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """Remembers the first request."""
        self.signal = self.signal or number


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """SIGTERM and SIGINT become a request for the length of the block.

    A second SIGINT is not needed: a step takes seconds. Outside the main thread nothing is caught, because
    Python delivers signals to the main thread alone.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
