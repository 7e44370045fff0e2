"""Scenes onto another grid: only when asked, with a resampling that is named, and never across nodata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from components.errors import BadScene, GridMismatch
from components.raster.grid import Grid, Window
from components.raster.io import describe, read_scene
from components.raster.scene import Array, Scene

__all__ = ["Resampling", "align", "read_aligned", "require_overlap", "window_around"]

NO_CRS = "a grid without CRS cannot be aligned; give both files their CRS, or the same rows and columns"
_PICKS = {Resampling.nearest, Resampling.mode, Resampling.min, Resampling.max, Resampling.med}  # invent no number
_MARGIN_PX = 4  # source pixels around a window: more than any kernel of these resamplings reaches at equal pixel size


def align(scene: Scene, grid: Grid, resampling: Resampling) -> Scene:
    """The scene on ``grid``; nodata where the scene has none to give, the scene itself where the grids agree.

    Class codes and decibels are only picked, never averaged: convert decibels to intensity first.

    Raises:
        GridMismatch: if one of the grids has no CRS; there is no way from pixels to the ground.
        ValueError: if ``resampling`` averages class codes or decibels.
        BadScene: if an integer scene without a nodata value does not cover the grid.
    """
    if scene.grid.same_as(grid):
        return scene
    if scene.grid.crs is None or grid.crs is None:
        raise GridMismatch(scene.grid, grid, NO_CRS)
    if scene.unit in ("class", "db") and resampling not in _PICKS:
        raise ValueError(f"{resampling.name} averages {scene.unit} values; use nearest, or convert to intensity first")
    nodata = scene.nodata
    if nodata is None and np.issubdtype(scene.array.dtype, np.inexact):
        nodata = float("nan")
    array = np.zeros((len(scene.bands), *grid.shape), scene.array.dtype)
    _warp(scene.array, array, scene.grid, grid, nodata, resampling)
    if nodata is None:
        _require_cover(scene, grid)
    return replace(scene, array=array, grid=grid, nodata=nodata)


def _warp(source: Array, target: Array, own: Grid, other: Grid, nodata: float | None, resampling: Resampling) -> None:
    reproject(
        np.ascontiguousarray(source),
        target,
        src_transform=own.transform,
        src_crs=own.crs,
        src_nodata=nodata,
        dst_transform=other.transform,
        dst_crs=other.crs,
        dst_nodata=nodata,
        resampling=resampling,
        UNIFIED_SRC_NODATA="NO",  # each band has its own holes
        tolerance=0.0,  # GDAL would be content with an eighth of a pixel
    )


def read_aligned(
    paths: Sequence[Path], grid: Grid, resampling: Resampling, *, bands: Sequence[str] | None = None
) -> tuple[Scene, ...]:
    """The scenes of several files on one grid; only the ground that the grid covers is read.

    Raises:
        GridMismatch: if a file does not touch the grid, or one of them has no CRS.
        BadScene: if a file cannot be read.
        BandMismatch: if a band is missing.
    """
    return tuple(align(_read_around(path, grid, bands), grid, resampling) for path in paths)


def _read_around(path: Path, grid: Grid, bands: Sequence[str] | None) -> Scene:
    own = describe(path).grid
    if own.same_as(grid):
        return read_scene(path, bands=bands)
    require_overlap(str(path), own, grid)
    window = window_around(own, grid)
    assert window is not None, "they overlap"
    return read_scene(path, bands=bands, window=window)


def require_overlap(name: str, own: Grid, other: Grid) -> None:
    """Nothing where ``own`` is the other grid, or can be brought onto it and shares ground with it.

    Raises:
        GridMismatch: if one of them has no CRS, or they lie apart.
    """
    if own.same_as(other):
        return
    if own.crs is None or other.crs is None:
        raise GridMismatch(f"{name} {own}", other, NO_CRS)
    if window_around(own, other) is None:
        raise GridMismatch(f"{name} {own}", other, "they do not overlap; check their CRS")


def window_around(own: Grid, other: Grid) -> Window | None:
    """The window of ``own`` that holds the ground of ``other`` and a few pixels more; None where they are apart."""
    west, south, east, north = transform_bounds(other.crs, own.crs, *other.bounds, densify_pts=21)
    inverse = ~own.transform
    corners = [inverse @ corner for corner in ((west, north), (west, south), (east, north), (east, south))]
    coarser = max(1.0, _ratio(own, other))
    margin = ceil(_MARGIN_PX * coarser)
    rows, cols = [row for _, row in corners], [col for col, _ in corners]
    top, left = max(floor(min(rows)) - margin, 0), max(floor(min(cols)) - margin, 0)
    bottom = min(ceil(max(rows)) + margin, own.shape[0])
    right = min(ceil(max(cols)) + margin, own.shape[1])
    return Window(top, left, bottom - top, right - left) if bottom > top and right > left else None


def _ratio(own: Grid, other: Grid) -> float:
    """How many pixels of ``own`` one of ``other`` spans."""
    return max(b / a for a, b in zip(own.pixel_size_m, other.pixel_size_m, strict=True))


def _require_cover(scene: Scene, grid: Grid) -> None:
    """Nothing where the scene covers the whole grid, so that no nodata value is needed."""
    covered: NDArray[np.uint8] = np.zeros(grid.shape, np.uint8)
    _warp(np.ones(scene.grid.shape, np.uint8), covered, scene.grid, grid, None, Resampling.nearest)
    if not covered.all():
        raise BadScene("scene", f"{scene.grid} does not cover {grid}", "give the scene a nodata value first")
