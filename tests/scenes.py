"""Tiny scenes whose truth is known beforehand. Nothing here is read from disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as shifted

from components.raster.grid import Grid, Window
from components.raster.scene import Class, Scene, Unit

UTM31 = CRS.from_epsg(32631)
WGS84 = CRS.from_epsg(4326)
SENTINEL2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
BURN_BANDS = ("B02", "B03", "B04", "B08", "B12")
CHANGE_CLASSES = (Class(0, "unchanged", (235, 235, 235)), Class(1, "changed", (213, 94, 0)))
MARCH, JUNE = datetime(2024, 3, 1, 10, 30, tzinfo=UTC), datetime(2024, 6, 1, 10, 30, tzinfo=UTC)


def make_grid(
    shape: tuple[int, int] = (64, 64),
    crs: CRS | None = UTM31,
    pixel: float = 10.0,
    corner: tuple[float, float] = (500000.0, 5000000.0),
) -> Grid:
    """A north-up grid; without CRS a pixel grid."""
    if crs is None:
        return Grid(None, Affine.identity(), shape)
    return Grid(crs, Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), shape)


def make_scene(
    shape: tuple[int, int] = (64, 64),
    bands: tuple[str, ...] = BURN_BANDS,
    *,
    seed: int = 0,
    dtype: str = "float32",
    unit: Unit = "reflectance",
    grid: Grid | None = None,
    nodata: float | None = None,
    hole: Window | None = None,
    acquired: datetime | None = MARCH,
) -> Scene:
    """Smooth random ground; floats in 0..0.6, integers over most of their range, ``hole`` filled with nodata."""
    rng = np.random.default_rng(seed)
    values = np.stack([_ground(rng, shape) for _ in bands])
    if np.issubdtype(np.dtype(dtype), np.integer):
        array = (1 + values * min(np.iinfo(dtype).max - 1, 10000)).astype(dtype)
    else:
        array, nodata = (0.6 * values).astype(dtype), float("nan") if nodata is None else nodata
    if hole is not None:
        rows, cols = hole.slices
        array[:, rows, cols] = nodata
    return Scene(array, grid or make_grid(shape), bands, unit, nodata, acquired)


def make_class_map(
    shape: tuple[int, int] = (64, 64),
    patches: tuple[Window, ...] = (Window(10, 20, 8, 12),),
    *,
    grid: Grid | None = None,
    classes: tuple[Class, ...] = CHANGE_CLASSES,
) -> Scene:
    """A map of code 0 with rectangles of code 1, nodata 255."""
    codes = np.zeros((1, *shape), np.uint8)
    for patch in patches:
        codes[(0, *patch.slices)] = 1
    return Scene(codes, grid or make_grid(shape), ("change",), "class", 255, classes=classes)


@dataclass(frozen=True)
class ChangePair:
    """Two dates on one grid, with the mask of what changed and the rectangle that it is."""

    before: Scene
    after: Scene
    mask: Scene
    changed: Window

    @property
    def scenes(self) -> dict[str, Scene]:
        """The three by role."""
        return {"before": self.before, "after": self.after, "mask": self.mask}


def change_pair(
    shape: tuple[int, int] = (64, 64),
    bands: tuple[str, ...] = BURN_BANDS,
    *,
    seed: int = 0,
    changed: Window | None = None,
    grid: Grid | None = None,
    noise: float = 0.004,
) -> ChangePair:
    """A pair that differs by a little noise everywhere, and in one rectangle as a fire does: B08 falls, B12 rises."""
    changed = changed or Window(shape[0] // 4, shape[1] // 3, shape[0] // 3, shape[1] // 4)
    before = make_scene(shape, bands, seed=seed, grid=grid)
    rng = np.random.default_rng(seed + 1000)
    array = before.array + noise * rng.standard_normal(before.array.shape, dtype=np.float32)
    effect = {"B08": -0.3, "B8A": -0.3, "B12": 0.3, "B11": 0.2}
    for index, band in enumerate(bands):
        array[(index, *changed.slices)] += effect.get(band, 0.15)
    after = before.with_array(np.clip(array, 0, 1), acquired=JUNE)
    return ChangePair(before, after, make_class_map(shape, (changed,), grid=before.grid), changed)


def shifted_pair(
    dx_px: float = 1.5, dy_px: float = -0.5, shape: tuple[int, int] = (64, 64), *, seed: int = 0
) -> tuple[Scene, Scene]:
    """A scene and the same ground moved by ``dx_px`` columns to the right and ``dy_px`` rows down."""
    margin = 8
    ground = make_scene((shape[0] + 2 * margin, shape[1] + 2 * margin), ("B04",), seed=seed).array[0]
    inside = np.s_[margin:-margin, margin:-margin]
    moved = shifted(ground, (dy_px, dx_px), order=3, mode="nearest")
    grid = make_grid(shape)
    first = Scene(ground[inside][None], grid, ("B04",), "reflectance", float("nan"), MARCH)
    return first, first.with_array(moved[inside][None].astype(np.float32), acquired=JUNE)


def speckled(looks: float = 4.0, shape: tuple[int, int] = (64, 64), *, seed: int = 0, mean: float = 1.0) -> Scene:
    """A constant field in intensity under Gamma speckle of ``looks`` looks: mean ``mean``, variance mean² / looks."""
    rng = np.random.default_rng(seed)
    array = rng.gamma(looks, mean / looks, (1, *shape)).astype(np.float32)
    return Scene(array, make_grid(shape), ("VV",), "intensity", float("nan"), MARCH)


def write_plain(path: Path, array: NDArray[Any], grid: Grid | None = None, **profile: Any) -> Path:
    """An ordinary striped GeoTIFF as a stranger would send it, without any of our tags or names."""
    grid = grid or make_grid(array.shape[-2:])
    place = {} if grid.crs is None else {"crs": grid.crs, "transform": grid.transform}
    shape = {"count": array.shape[0], "height": array.shape[1], "width": array.shape[2], "dtype": array.dtype.name}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", **{**shape, **place, **profile}) as dataset:
        dataset.write(array)
    return path


def _ground(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    rough = gaussian_filter(rng.standard_normal(shape), 3, mode="wrap") + 0.05 * rng.standard_normal(shape)
    low, high = rough.min(), rough.max()
    return (rough - low) / (high - low)
