"""Relief with a valley, the river in it and its lakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, zoom
from skimage.graph import route_through_array

from components.simulation.drawing import Points, Warp, band, covered, smooth_line
from components.simulation.noise import Float, fractal, stream

Cell = tuple[int, int] | NDArray[np.int64]
COARSE_PX = 8  # a river's course is sought on cells of this size
DRY = np.float32(-100.0)  # stage away from any lake
BANK_M = np.float32(-2.5)  # the basin of a lake reaches this far above its usual level
BED_SLOPE_M = 9.0  # depth of a lake's middle below its shore, were its bed a cone


@dataclass(frozen=True)
class Terrain:
    """The ground ``(row, col)``.

    ``height_m`` is the relief; ``river`` where the river runs; ``stage_m`` the usual water surface of a
    lake above its bed (negative on the bank, `DRY` elsewhere): wet is where stage plus level is above 0.
    """

    height_m: Float
    river: NDArray[np.bool_]
    stage_m: Float


def terrain(seed: int, shape: tuple[int, int]) -> Terrain:
    """The ground of a seed."""
    rng = stream(seed, "terrain")
    relief_m = fractal(rng, shape, scale_px=260.0, slope=2.35) * np.float32(rng.uniform(16.0, 75.0))
    courses = _courses(rng, relief_m)
    widths = [rng.uniform(2.2, 5.0), *rng.uniform(1.1, 1.7, size=len(courses) - 1)]
    river = covered([band(course, width) for course, width in zip(courses, widths, strict=True)], shape)
    height_m = _carve(relief_m, river)
    return Terrain(height_m, river, _lakes(stream(seed, "lakes"), height_m))


def slope(height_m: Float, pixel_size_m: float) -> tuple[Float, Float]:
    """Rise of the ground per metre to the south (down the rows) and to the east (along the columns)."""
    south, east = np.gradient(height_m, np.float32(pixel_size_m))
    return np.asarray(south, dtype=np.float32), np.asarray(east, dtype=np.float32)


def _courses(rng: np.random.Generator, height_m: Float) -> list[Points]:
    """The river through the lowest ground from edge to edge, and brooks that join it."""
    coarse = height_m[COARSE_PX // 2 :: COARSE_PX, COARSE_PX // 2 :: COARSE_PX]
    cost = np.exp((coarse - coarse.min()) / max(float(coarse.std()), 1e-6)).astype(np.float64)
    if rng.random() < 0.5:
        start, end = (int(np.argmin(cost[:, 0])), 0), (int(np.argmin(cost[:, -1])), cost.shape[1] - 1)
    else:
        start, end = (0, int(np.argmin(cost[0]))), (cost.shape[0] - 1, int(np.argmin(cost[-1])))
    main = _cheapest(cost, start, end)
    warp = Warp(rng, (height_m.shape[0], height_m.shape[1]), 5.0)
    courses = [_line(warp, main, (True, True))]
    for _ in range(max(1, height_m.size // 60_000)):
        spring = (int(rng.integers(cost.shape[0])), int(rng.integers(cost.shape[1])))
        mouth = main[int(rng.integers(len(main)))]
        brook = _cheapest(cost, spring, mouth)
        if len(brook) > 4:
            courses.append(_line(warp, brook, (False, False)))
    return courses


def _cheapest(cost: Points, start: Cell, end: Cell) -> NDArray[np.int64]:
    """Cells ``(cell, 2)`` of row and column along the cheapest way."""
    cells, _ = route_through_array(cost, tuple(start), tuple(end), geometric=True)  # type: ignore[no-untyped-call]
    return np.array(cells, dtype=np.int64)


def _line(warp: Warp, cells: NDArray[np.int64], leaves: tuple[bool, bool]) -> Points:
    """Cells of the coarse grid to a smooth line in pixels; an end that leaves the scene is prolonged."""
    points = (cells[:, ::-1].astype(np.float64) + 0.5) * COARSE_PX
    points = smooth_line(points, 1.5)
    first, last = 4 * (points[0] - points[1]), 4 * (points[-1] - points[-2])
    parts = [[points[0] + first]] * leaves[0] + [points] + [[points[-1] + last]] * leaves[1]
    dense = np.vstack(parts)
    along = np.linspace(0, len(dense) - 1, 4 * len(dense))
    steps = np.arange(len(dense))
    return warp(np.stack([np.interp(along, steps, dense[:, axis]) for axis in (0, 1)], axis=1))


def _carve(relief_m: Float, river: NDArray[np.bool_]) -> Float:
    """The relief with a valley along the river, from distances measured on a coarser grid."""
    rows, cols = river.shape
    step = 4
    padded = np.pad(river, ((0, -rows % step), (0, -cols % step)))
    coarse = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).any(axis=(1, 3))
    distance_px = distance_transform_edt(~coarse).astype(np.float32) * step
    valley = zoom(np.exp(-np.square(distance_px / 38.0)), step, order=1, grid_mode=True, mode="nearest")
    valley = valley[:rows, :cols]
    return np.asarray(relief_m * (1 - 0.75 * valley) - 14.0 * valley, dtype=np.float32)


def _lakes(rng: np.random.Generator, height_m: Float) -> Float:
    """Water surface above the bed of the lakes, metres; their shores follow noise, not circles."""
    rows, cols = height_m.shape
    stage_m = np.full((rows, cols), DRY, dtype=np.float32)
    for _ in range(1 + int(rng.poisson(height_m.size / 70_000))):
        tries = rng.integers((0, 0), (rows, cols), size=(12, 2))
        row, col = min(map(tuple, tries.tolist()), key=lambda place: float(height_m[place]))
        radius = rng.uniform(7.0, 22.0)
        reach = int(2.2 * radius)
        rows_in = slice(max(row - reach, 0), min(row + reach, rows))
        cols_in = slice(max(col - reach, 0), min(col + reach, cols))
        y, x = np.ogrid[rows_in, cols_in]
        distance = np.hypot((y - row) * rng.uniform(0.7, 1.6), x - col) / radius
        wobble = fractal(rng, distance.shape, scale_px=radius, slope=2.5)
        stage = BED_SLOPE_M * (1 - distance - 0.22 * wobble)
        stage_m[rows_in, cols_in] = np.maximum(stage_m[rows_in, cols_in], stage.astype(np.float32))
    return np.where(stage_m > BANK_M, stage_m, DRY)
