"""Where the time of a prediction went."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

import psutil
import torch

Step = Literal["read", "compute", "write", "wait"]


@dataclass(frozen=True)
class Timings:
    """Seconds of each step, summed over threads (they overlap, so together they may exceed ``total_s``).

    ``wait_s`` is how long the computing thread had nothing to compute. ``pixels`` are those of the raster,
    ``predicted`` of ``tiles`` held a valid pixel. ``peak_mb`` is the highest memory of the process (and of the GPU,
    where there is one), 10^6 bytes, seen after a tile.
    """

    read_s: float
    compute_s: float
    write_s: float
    wait_s: float
    total_s: float
    pixels: int
    tiles: int
    predicted: int
    peak_mb: float

    @property
    def megapixels_per_s(self) -> float:
        """Pixels of the raster, in millions, a second."""
        return self.pixels / 1e6 / self.total_s if self.total_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """All numbers, rounded to what they mean."""
        rounded = {name: round(number, 3) for name, number in asdict(self).items()}
        return rounded | {"megapixels_per_s": round(self.megapixels_per_s, 4)}


class Stopwatch:
    """Timings in the making, from several threads."""

    def __init__(self) -> None:
        self._begun, self._lock = perf_counter(), threading.Lock()
        self._seconds: dict[Step, float] = {"read": 0.0, "compute": 0.0, "write": 0.0, "wait": 0.0}
        self._process, self._peak = psutil.Process(), 0.0
        self.predicted = 0

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """The seconds of the block count for that step."""
        begun = perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += perf_counter() - begun

    def look(self) -> None:
        """Memory is looked at."""
        used = self._process.memory_info().rss
        if torch.cuda.is_available():
            used = max(used, torch.cuda.max_memory_allocated())
        self._peak = max(self._peak, used / 1e6)

    def timings(self, pixels: int, tiles: int) -> Timings:
        """What was counted so far."""
        self.look()
        seconds = {f"{name}_s": number for name, number in self._seconds.items()}
        total = perf_counter() - self._begun
        return Timings(
            **seconds, total_s=total, pixels=pixels, tiles=tiles, predicted=self.predicted, peak_mb=self._peak
        )
