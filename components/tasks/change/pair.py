"""What goes in and what comes out: two dates on one grid, a change map and its probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.errors import BandMismatch
from components.inference.method import Outputs
from components.raster.grid import Grid
from components.raster.scene import Class, Scene, Unit, Value, require_one_grid

BEFORE, AFTER, CHANGE, PROBABILITY = "before", "after", "change", "probability"
UNCHANGED_CODE, CHANGED_CODE, NODATA_CODE = 0, 1, 255
CLASSES = (Class(UNCHANGED_CODE, "unchanged", (60, 60, 60)), Class(CHANGED_CODE, "changed", (214, 39, 40)))


class Ground(NamedTuple):
    """What an answer needs to know of a pair: its grid, where both dates hold pixels, when the later one was taken."""

    grid: Grid
    valid: NDArray[np.bool_]
    acquired: datetime | None


class Pair(NamedTuple):
    """Two dates with the same bands on one grid; ``valid`` (row, col) where both hold pixels."""

    before: Scene
    after: Scene
    valid: NDArray[np.bool_]

    @property
    def grid(self) -> Grid:
        """The grid of both."""
        return self.before.grid

    @property
    def ground(self) -> Ground:
        """The pair without its pixels."""
        return Ground(self.grid, self.valid, self.after.acquired)

    @property
    def swapped(self) -> Pair:
        """The same ground with the dates in the other order."""
        return Pair(self.after, self.before, self.valid)


def pair_of(scenes: Mapping[str, Value], bands: Sequence[str], unit: Unit) -> Pair:
    """The two dates with exactly these bands, by name.

    Raises:
        BandMismatch: if a date or a band is missing.
        UnitMismatch: if a date has another unit.
        GridMismatch: if the dates do not lie on one grid.
    """
    dates = {}
    for name in (BEFORE, AFTER):
        scene = scenes.get(name)
        if not isinstance(scene, Scene):
            raise BandMismatch(f"change needs the scenes {BEFORE} and {AFTER}", (BEFORE, AFTER), tuple(scenes))
        dates[name] = scene.require(unit, name).select(bands)
    require_one_grid(dates)
    return Pair(dates[BEFORE], dates[AFTER], dates[BEFORE].valid & dates[AFTER].valid)


def answer(ground: Ground, changed: NDArray[np.bool_], probability: NDArray[Any] | None = None) -> Outputs:
    """The outputs of a method from ``changed`` and ``probability``, both (row, col); nodata where a date has none.

    A method without probabilities is certain of what it says: 0 or 1.
    """
    said = changed if probability is None else probability
    codes = np.where(ground.valid, np.where(changed, CHANGED_CODE, UNCHANGED_CODE), NODATA_CODE).astype(np.uint8)
    shares = np.where(ground.valid, said, np.nan).astype(np.float32)
    when = ground.acquired
    return {
        CHANGE: Scene(codes[None], ground.grid, (CHANGE,), "class", NODATA_CODE, when, CLASSES),
        PROBABILITY: Scene(shares[None], ground.grid, (PROBABILITY,), "probability", float("nan"), when),
    }
