"""What a person sees while a run trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Told of every step and of every epoch."""

    def step(self, done: int, total: int) -> None:
        """Steps done, of how many."""
        ...

    def epoch(self, line: str) -> None:
        """What the epoch gave, as one line."""
        ...


class Lines:
    """One log line an epoch."""

    def __init__(self, label: str) -> None:
        self._label = label

    def step(self, done: int, total: int) -> None:
        """Nothing: a log of steps is noise."""

    def epoch(self, line: str) -> None:
        """The line, with the label in front."""
        logger.info("%s: %s", self._label, line)


class Drawn:
    """A bar whose description is the last epoch's line."""

    def __init__(self, bar: Bar, task: TaskID, label: str) -> None:
        self._bar, self._task, self._label = bar, task, label

    def step(self, done: int, total: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=done, total=total)

    def epoch(self, line: str) -> None:
        """Writes the line beside the bar."""
        self._bar.update(self._task, description=f"{self._label}: {line}")


@contextmanager
def shown(label: str) -> Iterator[Progress]:
    """A bar where standard error is a terminal, log lines otherwise."""
    if not sys.stderr.isatty():
        yield Lines(label)
        return
    with Bar(console=Console(stderr=True)) as bar:
        yield Drawn(bar, bar.add_task(label, total=None), label)
