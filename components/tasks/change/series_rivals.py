"""What REACTIV must beat on a series: its first against its last date, and the control that sees no change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from components.inference.method import Outputs
from components.raster.scene import Scene, Stack, Unit, Value
from components.tasks.change.log_ratio import LogRatio
from components.tasks.change.pair import AFTER, BEFORE, Ground, answer
from components.tasks.change.reactiv import require_dates, series_of
from components.tasks.change.series import amplitudes


@dataclass(frozen=True)
class FirstAndLast:
    """The log-ratio of the first and the last date of a series, see `log_ratio`; what ended between is not seen."""

    bands: tuple[str, ...]
    ratio: LogRatio

    @classmethod
    def of(cls, bands: tuple[str, ...], window_px: int) -> Self:
        """With the threshold of Kittler and Illingworth."""
        unit: Unit = "amplitude"
        return cls(bands, LogRatio(bands, unit, "kittler-illingworth", window_px))

    @property
    def halo_px(self) -> int | None:
        """Reach of the local mean."""
        return self.ratio.halo_px

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the scene's threshold."""
        return replace(self, ratio=self.ratio.survey(self._pair(scenes)))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs `change` and `probability` (0 or 1)."""
        return self.ratio.predict(self._pair(scenes))

    def _pair(self, scenes: Mapping[str, Value]) -> dict[str, Scene]:
        stack = series_of(scenes, self.bands)
        require_dates(stack, 2)
        return {name: _amplitude(stack, index) for name, index in ((BEFORE, 0), (AFTER, -1))}


@dataclass(frozen=True)
class NothingHappened:
    """Says that nothing changed wherever any date shows the pixel: the control that accuracy alone would reward."""

    bands: tuple[str, ...]
    halo_px: int | None = 0
    needs_survey: bool = False

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Nothing to learn from the scene."""
        return self

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Unchanged everywhere."""
        stack = series_of(scenes, self.bands)
        return answer(Ground(stack.grid, seen(stack), stack.dates[-1]), np.zeros(stack.grid.shape, dtype=bool))


def seen(stack: Stack) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """True ``(row, col)`` where any band of any date shows the pixel."""
    shown = np.zeros(stack.grid.shape, dtype=bool)
    for date in stack.array:
        shown |= np.isfinite(amplitudes(date, stack.unit, stack.nodata)).any(axis=0)
    return shown


def _amplitude(stack: Stack, index: int) -> Scene:
    scene = stack.scene(index)
    return replace(
        scene, array=amplitudes(scene.array, stack.unit, stack.nodata), unit="amplitude", nodata=float("nan")
    )
