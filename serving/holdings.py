"""The versions in memory: what each costs, who uses it, and whether another one fits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from components.deployment.loading import LoadedVersion
from components.errors import SwathError

MB = 1024**2
GOLDEN_MB = 256.0  # most that the golden request itself is believed to need; what grows beyond is somebody else's


class OverBudget(SwathError):
    """A version for which there is no room beside those in memory."""


@dataclass
class Held:
    """A version in memory: its megabytes, the requests that use it, and whether another one took its place."""

    version: LoadedVersion
    cost_mb: float
    requests: int = 0
    retired: bool = False


class Holdings:
    """All versions in memory, those that only finish their last requests included."""

    def __init__(self, budget_mb: float, resident_mb: Callable[[], float] | None = None) -> None:
        self.budget_mb, self._resident_mb = budget_mb, resident_mb or resident
        self._held: list[Held] = []
        self._grown: dict[str, float] = {}  # what the last version of a run turned out to need
        self._lock = threading.Lock()

    @property
    def used_mb(self) -> float:
        """What the versions in memory need together."""
        with self._lock:
            return sum(held.cost_mb for held in self._held)

    def load(self, run: str, folder: Path, loading: Callable[[], LoadedVersion]) -> LoadedVersion:
        """The version that ``loading`` returns, held from now on.

        Its need is estimated from the size of its weights and what the run's last version needed; afterwards it is
        the growth of the process, at least the weights. Requests make the process grow too, so at most 256 MB more
        than the weights count.

        Raises:
            OverBudget: with the numbers, if it does not fit beside the others.
        """
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / MB
        self._require_room(run, max(weights, self._grown.get(run, 0.0)), f"weights of {weights:.1f} MB")
        before = self._resident_mb()
        version = loading()
        growth = min(max(self._resident_mb() - before, weights), weights + GOLDEN_MB)
        self._grown[run] = growth
        self._require_room(run, growth, f"weights of {weights:.1f} MB, and the process grew")
        with self._lock:
            self._held.append(Held(version, growth))
        return version

    @contextmanager
    def using(self, version: LoadedVersion) -> Iterator[LoadedVersion]:
        """The version, which stays in memory at least until left."""
        with self._lock:
            held = next(each for each in self._held if each.version is version)
            held.requests += 1
        try:
            yield version
        finally:
            with self._lock:
                held.requests -= 1
                self._sweep()

    def retire(self, version: LoadedVersion | None) -> None:
        """The version freed as soon as its last request has ended."""
        with self._lock:
            for held in self._held:
                held.retired |= held.version is version
            self._sweep()

    def draining(self) -> list[dict[str, Any]]:
        """The versions that only finish their last requests, as `/models` shows them."""
        with self._lock:
            found = [held for held in self._held if held.retired]
        return [{"run": each.version.run, "version": each.version.id, "requests": each.requests} for each in found]

    def _sweep(self) -> None:
        self._held[:] = [held for held in self._held if held.requests or not held.retired]

    def _require_room(self, run: str, need_mb: float, why: str) -> None:
        used = self.used_mb
        if used + need_mb <= self.budget_mb:
            return
        numbers = f"needs {need_mb:.1f} MB ({why}), {used:.1f} of {self.budget_mb:.1f} MB are taken"
        raise OverBudget(f"{run} {numbers}; raise SWATH_SLOTS_MB, or narrow this process with SWATH_RUNS")


def resident() -> float:
    """Megabytes of main memory that this process holds now."""
    return float(psutil.Process().memory_info().rss) / MB
