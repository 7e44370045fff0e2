"""Between the thread that works on a job and the one that holds its lease: progress, and the wish to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Literal

from components.errors import SwathError
from serving.jobs.states import Phase
from serving.jobs.table import Progress

Why = Literal["lost", "late", "leaving"]


class Stopped(SwathError):
    """The work on a job was stopped on purpose."""


class Watch:
    """One attempt: what it is at, and whether it shall go on. Every method may be called from any thread.

    ``lost``: the lease is gone, somebody else decides; ``late``: the job took too long; ``leaving``: the worker ends.
    ``engine`` holds the engine's own seconds, once it gave any.
    """

    def __init__(self) -> None:
        self.why: Why | None = None
        self.progress = Progress()
        self.engine: Mapping[str, Any] = {}
        self._stop = threading.Event()
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def stop(self, why: Why) -> None:
        """The work is asked to end; the first reason counts."""
        self.why = self.why or why
        self._stop.set()

    def stopping(self) -> bool:
        """True once the work was asked to end: asked between tiles."""
        return self._stop.is_set()

    def enter(self, phase: Phase) -> None:
        """The work begins a phase.

        Raises:
            Stopped: if it was asked to end.
        """
        self._close_phase()
        tiles = (self.progress.tiles_done, self.progress.tiles_all) if phase == "storing" else (0, 0)
        self.progress = Progress(phase, *tiles)
        self._require_going()

    def tile(self, done: int, total: int) -> None:
        """One more tile is predicted.

        Raises:
            Stopped: if the work was asked to end.
        """
        self.progress = Progress(self.progress.phase, done, total)
        self._require_going()

    def timings(self) -> dict[str, Any]:
        """Seconds by phase, so far, and those of the engine."""
        self._close_phase()
        phases = {f"{phase}_s": round(seconds, 3) for phase, seconds in self._seconds.items()}
        return {**phases, "engine": dict(self.engine)} if self.engine else phases

    def _close_phase(self) -> None:
        now, phase = time.perf_counter(), self.progress.phase
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._started
        self._started = now

    def _require_going(self) -> None:
        if self._stop.is_set():
            raise Stopped(f"stopped: {self.why}")
