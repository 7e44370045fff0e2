"""Who judges what: folds of whole places, or of blocks with a guard distance; never of single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rasterio.warp import transform_bounds
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely import STRtree
from shapely.geometry import Polygon

from components.raster.grid import Grid

LEAST_GROUPS = 3  # of places; with fewer of them blocks within the scenes are the folds
METRES_PER_DEGREE = 110_574.0  # of latitude at the equator, where a degree is shortest


@dataclass(frozen=True)
class Footprint:
    """A scene with its place and grid."""

    scene: str
    place: str
    grid: Grid


@dataclass(frozen=True)
class SpatialFolds:
    """Which fold judges which pixel, and which pixels that fold's model may learn from."""

    count: int
    guard_px: int
    block_px: int
    by_scene: dict[str, int] = field(default_factory=dict)  # empty: folds are blocks

    @property
    def kind(self) -> str:
        """In words."""
        if self.by_scene:
            return f"{self.count} folds of whole places"
        return f"{self.count} folds of blocks of {self.block_px} px with a guard of {self.guard_px} px"

    def judged(self, scene: str, shape: tuple[int, int]) -> NDArray[np.int64]:
        """The fold ``(row, col)`` whose model judges a pixel."""
        if self.by_scene:
            return np.full(shape, self.by_scene[scene])
        rows, cols = (np.arange(size) // self.block_px for size in shape)
        # neighbours differ, below and beside: with 2 folds a chessboard
        return (rows[:, None] * max(self.count // 2, 1) + cols[None, :]) % self.count

    def learnable(self, scene: str, shape: tuple[int, int], fold: int) -> NDArray[np.bool_]:
        """True ``(row, col)`` where the model of ``fold`` may learn: elsewhere, and not within the guard."""
        own = self.judged(scene, shape) == fold
        if self.by_scene or not own.any():
            return np.asarray(~own)
        return np.asarray(distance_transform_edt(~own) > self.guard_px)


def spatial_folds(scenes: Sequence[Footprint], folds: int, block_px: int, guard_px: int) -> SpatialFolds:
    """Whole places where there are at least three that lie apart by the guard distance; else blocks.

    Places nearer to each other than that are one group. Groups go to the fold that holds the fewest pixels, largest
    first, so the same scenes give the same folds.
    """
    groups = _groups(scenes, guard_px)
    sizes = dict.fromkeys(sorted(set(groups.values())), 0)
    for each in scenes:
        sizes[groups[each.place]] += each.grid.shape[0] * each.grid.shape[1]
    if len(sizes) < LEAST_GROUPS:
        return SpatialFolds(folds, guard_px, block_px)
    count = min(folds, len(sizes))
    held, home = [0] * count, {}
    for group in sorted(sizes, key=lambda each: (-sizes[each], each)):
        home[group] = held.index(min(held))
        held[home[group]] += sizes[group]
    return SpatialFolds(count, guard_px, block_px, {each.scene: home[groups[each.place]] for each in scenes})


def _groups(scenes: Sequence[Footprint], guard_px: int) -> dict[str, int]:
    """The group of each place: places join where scenes of theirs come within the guard distance on the ground."""
    places = sorted({each.place for each in scenes})
    number = {place: index for index, place in enumerate(places)}
    placed = [each for each in scenes if each.grid.crs is not None]
    shapes = [_outline(each.grid, guard_px) for each in placed]
    near = STRtree(shapes).query(shapes, predicate="intersects").T.tolist() if shapes else []
    pairs = [(number[placed[i].place], number[placed[j].place]) for i, j in near]
    rows, cols = np.array(pairs, dtype=int).reshape(-1, 2).T
    links = coo_array((np.ones(len(rows)), (rows, cols)), shape=(len(places), len(places)))
    return dict(zip(places, connected_components(links, directed=False)[1].tolist(), strict=True))


def _outline(grid: Grid, guard_px: int) -> Polygon:
    """A box in WGS 84 around the scene, grown by half the guard: two that touch are nearer than the guard."""
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)
    up = guard_px * max(grid.pixel_size_m) / 2 / METRES_PER_DEGREE
    aside = up / max(np.cos(np.deg2rad(min(max(abs(south), abs(north)), 89.0))), 1e-3)
    west, south, east, north = west - aside, south - up, east + aside, north + up
    return Polygon([(west, south), (east, south), (east, north), (west, north)])
