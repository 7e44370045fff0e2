"""A scene resampled once through a flow, and a flow in metres.

A flow ``(2, row, col)`` says for each pixel of the reference grid how far to go, ``u`` pixels along columns and ``v``
along rows, to find the same ground in the moving scene: reference(x) ~ moving(x + w(x)).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.raster.grid import Grid
from components.raster.scene import Array, Scene

Kernel = Literal["bilinear", "cubic", "nearest"]
Taps = tuple[NDArray[np.int64], NDArray[np.float64]]  # index and weight of each tap, (tap, row, col)

_LEAST_WEIGHT = 1e-6  # a tap of less is not touched: whole-pixel shifts need no neighbour
_MAJOR_M, _ECCENTRICITY2 = 6378137.0, 0.00669437999014  # WGS 84


def warp(scene: Scene, flow: NDArray[Any], *, resampling: Kernel = "bilinear") -> Scene:
    """The scene as the reference sees it: each pixel fetched from where its flow points to, resampled once.

    A pixel whose kernel leaves the scene or touches nodata of its band is nodata, so is one without a flow. Float
    scenes without a nodata value get NaN. ``cubic`` is Keys 1981 with a = -0.5.

    Raises:
        ValueError: if the flow is not ``(2, row, col)`` of the scene, or codes or decibels would be averaged.
        BadScene: if an integer scene without a nodata value loses a pixel.
    """
    if flow.shape != (2, *scene.grid.shape):
        raise ValueError(f"expected a flow of shape {(2, *scene.grid.shape)}, got {flow.shape}")
    if scene.unit in ("class", "db") and resampling != "nearest":
        raise ValueError(f"{resampling} averages {scene.unit} values; use nearest, or convert to intensity first")
    known = np.isfinite(flow).all(0)
    there = np.where(known, flow, 0).astype(np.float64)
    rows, cols = np.indices(scene.grid.shape)
    down, across = _taps(rows + there[1], resampling), _taps(cols + there[0], resampling)
    layers = [_fetched(band, _present(band, scene.nodata), down, across) for band in scene.array]
    lost = np.stack([gone | ~known for _, gone in layers])
    return _filled(scene, np.stack([values for values, _ in layers]), lost)


def flow_in_metres(flow: NDArray[Any], grid: Grid) -> NDArray[np.float32]:
    """The flow ``(2, row, col)`` in metres to the east and to the north of the map, through the grid's affine.

    In a geographic CRS degrees become metres on the WGS 84 ellipsoid at the latitude of each pixel; in a projected
    one they are metres of the map.

    Raises:
        ValueError: if the shapes differ, or the grid has no CRS: a picture has no metres.
    """
    if grid.crs is None:
        raise ValueError("a pixel grid without CRS has no metres; report the flow in pixels")
    if flow.shape != (2, *grid.shape):
        raise ValueError(f"expected a flow of shape {(2, *grid.shape)}, got {flow.shape}")
    t, (u, v) = grid.transform, np.asarray(flow, dtype=np.float64)
    east, north = t.a * u + t.b * v, t.d * u + t.e * v
    if not grid.crs.is_geographic:
        return np.asarray(np.stack([east, north]) * grid.crs.linear_units_factor[1], dtype=np.float32)
    rows, cols = np.indices(grid.shape) + 0.5
    latitude = np.radians(t.d * cols + t.e * rows + t.f)
    bent = 1 - _ECCENTRICITY2 * np.sin(latitude) ** 2
    along = np.radians(east) * _MAJOR_M / np.sqrt(bent) * np.cos(latitude)
    up = np.radians(north) * _MAJOR_M * (1 - _ECCENTRICITY2) / bent**1.5
    return np.stack([along, up]).astype(np.float32)


def _taps(place: NDArray[np.float64], resampling: Kernel) -> Taps:
    """Taps along one axis for places in pixels, 0 at the centre of the first."""
    if resampling == "nearest":
        return np.floor(place + 0.5).astype(np.int64)[None], np.ones((1, *place.shape))
    first = np.floor(place)
    offset = place - first
    steps = (0, 1) if resampling == "bilinear" else (-1, 0, 1, 2)
    curve = _tent if resampling == "bilinear" else _keys
    weights = np.stack([curve(np.abs(offset - step)) for step in steps])
    return np.stack([first.astype(np.int64) + step for step in steps]), weights


def _tent(far: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - far


def _keys(far: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * far - 2.5) * far**2 + 1
    return np.where(far < 1, near, ((-0.5 * far + 2.5) * far - 4) * far + 2)


def _present(band: Array, nodata: float | None) -> NDArray[np.bool_]:
    good = np.isfinite(band)
    return good if nodata is None or np.isnan(nodata) else good & (band != nodata)


def _fetched(
    band: Array, present: NDArray[np.bool_], down: Taps, across: Taps
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Weighted sum of the taps and where one of them is missing, both (row, col)."""
    filled, (height, width) = np.where(present, band, 0), band.shape
    total, gone = np.zeros(down[0].shape[1:]), np.zeros(down[0].shape[1:], dtype=bool)
    for row, high in zip(*down, strict=True):
        for col, wide in zip(*across, strict=True):
            weight = high * wide
            row_in, col_in = np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)
            inside = (row_in == row) & (col_in == col) & present[row_in, col_in]
            gone |= ~inside & (np.abs(weight) > _LEAST_WEIGHT)
            total += weight * filled[row_in, col_in]
    return total, gone


def _filled(scene: Scene, values: NDArray[np.float64], lost: NDArray[np.bool_]) -> Scene:
    """The values in the scene's type, nodata where lost."""
    if np.issubdtype(scene.array.dtype, np.inexact):
        nodata = float("nan") if scene.nodata is None else scene.nodata
        return scene.with_array(np.where(lost, nodata, values).astype(scene.array.dtype), nodata=nodata)
    if scene.nodata is None and lost.any():
        raise BadScene("scene", "the flow leaves it and it has no nodata value", "give the scene a nodata value first")
    limits = np.iinfo(scene.array.dtype)
    whole = np.clip(np.rint(values), limits.min, limits.max)
    if scene.nodata is not None:  # a mean that happens to be the nodata value is moved off it
        whole = np.where(whole == scene.nodata, whole + (1 if scene.nodata < limits.max else -1), whole)
        whole = np.where(lost, scene.nodata, whole)
    return scene.with_array(whole.astype(scene.array.dtype))
