"""Series of Sentinel-1-like images with exact truth: what changed, of which kind, from which date to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Class, Scene, Stack
from components.simulation import optical
from components.simulation.noise import Float, fractal, stream
from components.simulation.speckle import Speckle, speckle

STABLE, CONSTRUCTION, BOAT, FLOOD, FIELD = range(5)
SERIES_CLASSES = (
    Class(STABLE, "stable", (60, 60, 60)),
    Class(CONSTRUCTION, "construction", (214, 39, 40)),
    Class(BOAT, "boat", (255, 187, 0)),
    Class(FLOOD, "flood", (31, 119, 180)),
    Class(FIELD, "field", (44, 160, 44)),
)
BANDS = ("VV", "VH")
SPAN = ("first", "last")
SPACING_DAYS = 12.0
# gamma0 of usual ground, linear: VV and VH of open land, water, and what buildings and boats reflect.
LAND, WATER = np.array([0.10, 0.02], np.float32), np.array([0.010, 0.0015], np.float32)
BUILT, SHIP = np.array([0.9, 0.12], np.float32), np.array([1.5, 0.15], np.float32)
_START = datetime(2022, 1, 5, 5, 40, tzinfo=UTC)
_YEAR = 365.25


@dataclass(frozen=True)
class RadarSeries:
    """A series in linear intensity and its truth.

    ``kind`` holds the codes of `SERIES_CLASSES`; ``span`` the index of the first and the last date of each change,
    -1 where nothing changes (fields vary with the season, which is no change). ``reflectivity`` is the series without
    speckle.
    """

    stack: Stack
    reflectivity: Float
    kind: Scene
    span: Scene

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Pixels that change ``(row, col)``; fields do not."""
        return np.asarray(self.span.array[0] >= 0)


@dataclass
class _Ground:
    """The truth while it is made; ``clean`` is ``(time, band, row, col)``."""

    clean: Float
    kind: NDArray[np.uint8]
    span: NDArray[np.int16]

    def edit(self, place: tuple[slice, slice], kind: int, first: int, last: int, level: Float) -> None:
        """Another reflectivity ``(band)`` from date ``first`` to date ``last``, both included."""
        rows, cols = place
        self.clean[first : last + 1, :, rows, cols] = level[:, None, None]
        self.kind[rows, cols], self.span[0, rows, cols], self.span[1, rows, cols] = kind, first, last


def radar_series(
    seed: int,
    shape: tuple[int, int] = (128, 128),
    *,
    dates: int = 60,
    spacing_days: float = SPACING_DAYS,
    seen: Speckle,
) -> RadarSeries:
    """A series of VV and VH: a lake with boats in the east, fields in the west, building sites and a flood between.

    One seed gives the same bytes. Dates are ``spacing_days`` apart from January 2022 on.

    Raises:
        ValueError: if a side is shorter than 96 px, or there are fewer than 10 dates.
    """
    if min(shape) < 96 or dates < 10:
        raise ValueError(f"a series needs 96 px and 10 dates, got {shape} and {dates}")
    when = tuple(_START + timedelta(days=spacing_days * index) for index in range(dates))
    ground = _land(seed, shape, dates)
    _fields(ground, seed, when)
    rng = stream(seed, "series events")
    _sites(ground, rng)
    _flood(ground, rng)
    _boats(ground, rng)
    noisy = ground.clean * speckle(stream(seed, "series speckle"), ground.clean.shape, seen)
    grid = optical.place(seed, shape)  # places of two seeds never touch: what is split by place is split on the ground
    stack = Stack(noisy, grid, BANDS, "intensity", when, float("nan"), "1")
    kind = Scene(ground.kind[None], grid, ("kind",), "class", 255, when[-1], SERIES_CLASSES)
    return RadarSeries(stack, ground.clean, kind, Scene(ground.span, grid, SPAN, "1", None, when[-1]))


def _land(seed: int, shape: tuple[int, int], dates: int) -> _Ground:
    """Textured land, and water in the eastern quarter."""
    texture = np.exp(0.35 * fractal(stream(seed, "series texture"), shape, scale_px=6.0, slope=1.2))
    base = LAND[:, None, None] * texture
    base[:, :, 3 * shape[1] // 4 :] = WATER[:, None, None]
    clean = np.repeat(base[None].astype(np.float32), dates, axis=0)
    return _Ground(clean, np.full(shape, STABLE, np.uint8), np.full((2, *shape), -1, np.int16))


def _fields(ground: _Ground, seed: int, when: Sequence[datetime]) -> None:
    """Parcels in the western quarter whose reflectivity goes up and down once a year, VH more than VV."""
    rng = stream(seed, "series fields")
    rows, cols = ground.kind.shape
    days = np.array([(date - when[0]).total_seconds() / 86_400 for date in when])
    for top in range(0, rows, 24):
        phase, depth = rng.uniform(0, 1), rng.uniform(2.5, 5.0)
        season = (1 + np.cos(2 * np.pi * (days / _YEAR - phase))) / 2
        factor_db = season[:, None] * np.array([depth, 1.6 * depth])
        place = slice(top, min(top + 24, rows)), slice(0, cols // 4)
        ground.clean[:, :, place[0], place[1]] *= 10 ** (factor_db[:, :, None, None] / 10)
        ground.kind[place] = FIELD


def _sites(ground: _Ground, rng: np.random.Generator) -> None:
    """Buildings that stand from one date on, in the northern half of the middle."""
    rows, cols = ground.kind.shape
    dates = len(ground.clean)
    for row in range(8, rows // 2 - 10, 16):
        for col in range(cols // 4 + 4, 3 * cols // 4 - 10, 16):
            first = int(rng.integers(dates // 5, dates - dates // 5))
            height, width = rng.integers(5, 10, 2)
            place = slice(row, row + int(height)), slice(col, col + int(width))
            ground.edit(place, CONSTRUCTION, first, dates - 1, BUILT * rng.uniform(0.6, 1.5))


def _flood(ground: _Ground, rng: np.random.Generator) -> None:
    """Water over land for a few dates, in the southern half of the middle."""
    rows, cols = ground.kind.shape
    length = int(rng.integers(2, 5))
    first = int(rng.integers(3, len(ground.clean) - length - 2))
    place = slice(rows // 2 + 8, rows - 8), slice(cols // 4 + 6, cols // 2 + cols // 8)
    ground.edit(place, FLOOD, first, first + length - 1, WATER)


def _boats(ground: _Ground, rng: np.random.Generator) -> None:
    """Ships of a few pixels on the water, each there at one date."""
    rows, cols = ground.kind.shape
    for row in range(4, rows - 6, 10):
        for col in range(3 * cols // 4 + 3, cols - 6, 12):
            date = int(rng.integers(1, len(ground.clean) - 1))
            place = slice(row, row + 2), slice(col, col + int(rng.integers(2, 5)))
            ground.edit(place, BOAT, date, date, SHIP * rng.uniform(0.5, 2.0))
