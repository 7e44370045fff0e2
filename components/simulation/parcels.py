"""Fields: districts of one orientation each, split into parcels that differ in crop and calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Voronoi
from shapely.geometry import Polygon

from components.simulation.drawing import Points, Warp, burn
from components.simulation.noise import Float, stream

PLAN_PX = 512  # the plan of splits that every district cuts its fields from
DISTRICT_PX = 75.0  # usual distance between neighbouring districts
LEAST_SIDE_PX = 6


@dataclass(frozen=True)
class Parcels:
    """Field numbers ``(row, col)`` and, per number, what sets a field apart.

    ``shift_days`` moves a field's calendar, ``lush`` scales its green cover (about 1), ``bright`` the
    brightness of its soil (0 moist and dark to 1 dry and light), ``plough_days`` is how long its stubble
    stays. ``districts`` are the polygons, ``count`` is how many numbers there may be.
    """

    number: NDArray[np.int32]
    shift_days: Float
    lush: Float
    bright: Float
    plough_days: Float
    districts: tuple[Polygon, ...]

    @property
    def count(self) -> int:
        """How many numbers the tables hold."""
        return len(self.shift_days)


def parcels(seed: int, shape: tuple[int, int], warp: Warp) -> Parcels:
    """The fields of a seed; ``warp`` bends the borders of the districts."""
    rng = stream(seed, "parcels")
    plan, leaves = _plan(rng, area_px=rng.uniform(150.0, 420.0), longer=rng.uniform(1.2, 2.6))
    districts = _districts(rng, shape, warp)
    index = burn(districts, range(len(districts)), shape)
    number = index * np.int32(leaves) + _cut(rng, index, len(districts), plan)
    count = len(districts) * leaves
    soil = rng.uniform(0.15, 0.85)
    return Parcels(
        number,
        shift_days=rng.normal(0, 9, count).astype(np.float32),
        lush=rng.normal(1, 0.09, count).clip(0.7, 1.15).astype(np.float32),
        bright=rng.normal(soil, 0.22, count).clip(0, 1).astype(np.float32),
        plough_days=rng.uniform(6, 75, count).astype(np.float32),
        districts=tuple(districts),
    )


def _plan(rng: np.random.Generator, area_px: float, longer: float) -> tuple[NDArray[np.int32], int]:
    """A square of `PLAN_PX` split into fields of about ``area_px``, and their number."""
    plan = np.zeros((PLAN_PX, PLAN_PX), dtype=np.int32)
    waiting = [(0, 0, PLAN_PX, int(PLAN_PX))]
    leaves = 0
    while waiting:
        row, col, rows, cols = waiting.pop()
        across = rows * longer > cols  # fields are longer along the columns: one orientation a district
        side = rows if across else cols
        if rows * cols < area_px * rng.lognormal(0.35, 0.5) or side < 2 * LEAST_SIDE_PX:
            plan[row : row + rows, col : col + cols] = leaves
            leaves += 1
            continue
        cut = int(np.clip(side * rng.uniform(0.3, 0.7), LEAST_SIDE_PX, side - LEAST_SIDE_PX))
        if across:
            waiting += [(row, col, cut, cols), (row + cut, col, rows - cut, cols)]
        else:
            waiting += [(row, col, rows, cut), (row, col + cut, rows, cols - cut)]
    return plan, leaves


def _districts(rng: np.random.Generator, shape: tuple[int, int], warp: Warp) -> list[Polygon]:
    """Polygons that together cover the scene, with bent and shared borders."""
    seeds = _scattered(rng, shape, DISTRICT_PX)
    cells = Voronoi(seeds)
    polygons = []
    for region in (cells.regions[index] for index in cells.point_region):
        if region and -1 not in region:
            polygons.append(warp.polygon(cells.vertices[region]))
    frame = shapely.box(0, 0, shape[1], shape[0])
    return [polygon for polygon in polygons if polygon.intersects(frame)]


def _scattered(rng: np.random.Generator, shape: tuple[int, int], distance_px: float) -> Points:
    """A jittered lattice of points that reaches two cells beyond the scene."""
    y = np.arange(-2.0, shape[0] / distance_px + 2.0)
    x = np.arange(-2.0, shape[1] / distance_px + 2.0)
    lattice = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.asarray((lattice + rng.uniform(0.0, 0.95, lattice.shape)) * distance_px)


def _cut(rng: np.random.Generator, index: NDArray[np.int32], count: int, plan: NDArray[np.int32]) -> NDArray[np.int32]:
    """The plan's leaf under each pixel, the plan turned and moved anew for each district."""
    angle = rng.uniform(0, np.pi, count).astype(np.float32)
    cosine, sine = np.cos(angle)[index], np.sin(angle)[index]
    offset = rng.uniform(0, PLAN_PX, (2, count)).astype(np.float32)
    y, x = np.ogrid[: index.shape[0], : index.shape[1]]
    y, x = y.astype(np.float32), x.astype(np.float32)
    row = np.mod(y * cosine - x * sine + offset[0][index], PLAN_PX).astype(np.int32)
    col = np.mod(y * sine + x * cosine + offset[1][index], PLAN_PX).astype(np.int32)
    leaf: NDArray[np.int32] = plan[np.minimum(row, PLAN_PX - 1), np.minimum(col, PLAN_PX - 1)]
    return leaf
