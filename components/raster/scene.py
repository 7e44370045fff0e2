"""Pixels with their meaning: `Scene` (one date), `Stack` (many dates), `Features` (vectors)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from components.errors import GridMismatch, UnitMismatch
from components.raster.bands import band_indexes, canonical
from components.raster.grid import Grid, Window

Array = NDArray[Any]
Unit = Literal[
    "reflectance",  # 0..1, surface or top of atmosphere
    "digital_number",  # as published, without a physical scale (8-bit pictures)
    "amplitude",
    "intensity",
    "db",  # 10 log10(intensity)
    "class",  # integer codes, named by `classes`
    "probability",  # 0..1
    "px",
    "m",
    "1",  # dimensionless
]
UNITS: tuple[str, ...] = get_args(Unit)


@dataclass(frozen=True)
class Class:
    """One class of a class map: its code in the raster, its name, its colour (R, G, B in 0..255)."""

    code: int
    name: str
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """Pixels ``(band, row, col)`` on a grid, with band names, unit, nodata and acquisition time.

    ``nodata`` is the value that means "nothing was seen here" (NaN for float scenes) or None.
    ``classes`` names the codes of a class map. ``tags`` travel into the file's metadata.

    Raises:
        ValueError: if the array is not 3-dimensional or disagrees with grid or band names.
    """

    array: Array
    grid: Grid
    bands: tuple[str, ...]
    unit: Unit
    nodata: float | None = None
    acquired: datetime | None = None
    classes: tuple[Class, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ValueError(f"a scene expects (band, row, col), got an array of shape {self.array.shape}")
        if self.array.shape != (len(self.bands), *self.grid.shape):
            raise ValueError(f"array {self.array.shape} does not fit {len(self.bands)} bands on {self.grid}")
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} is none of {', '.join(UNITS)}")

    @property
    def valid(self) -> NDArray[np.bool_]:
        """True ``(row, col)`` where every band holds a finite value that is not nodata."""
        return valid_pixels(self.array, self.nodata)

    def select(self, bands: Sequence[str]) -> Scene:
        """The named bands in the given order; aliases (`B2`, `blue`) are understood.

        Raises:
            BandMismatch: if one is missing or a name stands twice; names expected and found bands.
        """
        indexes = list(band_indexes(bands, self.bands, "scene"))
        chosen = self.array if indexes == list(range(len(self.bands))) else self.array[indexes]
        return replace(self, array=chosen, bands=tuple(canonical(name) for name in bands))

    def crop(self, window: Window) -> Scene:
        """A window of the scene as a view of the same pixels."""
        rows, cols = window.slices
        return replace(self, array=self.array[:, rows, cols], grid=self.grid.crop(window))

    def require(self, unit: Unit, where: str = "scene") -> Scene:
        """The scene itself where its unit is ``unit``.

        Raises:
            UnitMismatch: names both units.
        """
        if self.unit != unit:
            raise UnitMismatch(where, unit, self.unit)
        return self

    def with_array(self, array: Array, **changes: Any) -> Scene:  # noqa: ANN401 - forwarded to replace
        """A scene on the same grid with other pixels (and, by keyword, other fields)."""
        return replace(self, array=array, **changes)


@dataclass(frozen=True)
class Stack:
    """Co-gridded scenes over time: ``(time, band, row, col)`` with one date per layer, ascending."""

    array: Array
    grid: Grid
    bands: tuple[str, ...]
    unit: Unit
    dates: tuple[datetime, ...]
    nodata: float | None = None
    orbit: str | None = None

    def __post_init__(self) -> None:
        expected = (len(self.dates), len(self.bands), *self.grid.shape)
        if self.array.shape != expected:
            raise ValueError(f"a stack expects (time, band, row, col) = {expected}, got {self.array.shape}")
        if list(self.dates) != sorted(self.dates):
            raise ValueError("the dates of a stack must ascend")

    def scene(self, index: int) -> Scene:
        """The scene of one date."""
        return Scene(self.array[index], self.grid, self.bands, self.unit, self.nodata, self.dates[index])

    def crop(self, window: Window) -> Stack:
        """A window of every date as a view of the same pixels."""
        rows, cols = window.slices
        return replace(self, array=self.array[..., rows, cols], grid=self.grid.crop(window))


@dataclass(frozen=True)
class Features:
    """Vector features: geometries in ``crs`` and a table with one value (or row) per geometry."""

    geometries: tuple[BaseGeometry, ...]
    crs: CRS | None
    table: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.table.items():
            if len(column) != len(self.geometries):
                raise ValueError(f"column {name!r} has {len(column)} rows for {len(self.geometries)} geometries")


Value = Scene | Stack | Features


def valid_pixels(array: Array, nodata: float | None) -> NDArray[np.bool_]:
    """True ``(row, col)`` where no band of ``(..., row, col)`` is nodata or non-finite."""
    leading = tuple(range(array.ndim - 2))
    good = np.isfinite(array) if np.issubdtype(array.dtype, np.inexact) else np.ones(array.shape, dtype=bool)
    if nodata is not None and not np.isnan(nodata):
        good &= array != nodata
    return np.asarray(good.all(axis=leading))


def require_one_grid(scenes: Mapping[str, Scene | Stack]) -> Grid:
    """The grid that all scenes share.

    Raises:
        GridMismatch: names the first two that differ.
    """
    named = list(scenes.items())
    for name, scene in named[1:]:
        if not scene.grid.same_as(named[0][1].grid):
            raise GridMismatch(f"{named[0][0]} {named[0][1].grid}", f"{name} {scene.grid}")
    return named[0][1].grid
