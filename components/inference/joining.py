"""Features over the seams of tiles: what several tiles saw of one thing becomes one feature.

Neighbouring tiles both see the ground around their common edge. What they say of it is one thing where it covers
mostly the same of that ground and everything else about it agrees but its measured numbers (a score, a height) and
dates. Tiles without context share an edge only: then what lies on both sides of it is one thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from shapely import STRtree, minimum_rotated_rectangle, union_all
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from components.inference.tiling import Tile
from components.raster.grid import Grid, Window
from components.raster.scene import Features

SAME_GROUND = 0.5  # share of the ground covered by either, that both cover
SCORE = "score"
AREA = "area_m2"
_SLACK = 1e-6  # of an area: rounding of coordinates


@dataclass
class _Piece:
    geometry: BaseGeometry
    seen: BaseGeometry  # the ground that its tile saw
    row: dict[str, Any]


@dataclass
class Joiner:
    """Features of one output, tile by tile.

    A tile keeps what touches its core. Areas are joined over seams: rectangles into the rectangle around all of
    their pieces, other polygons, and whatever has an `area_m2` (which grows with it), into their union; the piece
    with the highest ``score`` (the largest where there is none) says the rest. Points and lines count for the tile
    that holds their representative point.
    """

    grid: Grid
    _pieces: list[_Piece] = field(default_factory=list)
    _first: Features | None = None

    def add(self, features: Features, tile: Tile) -> None:
        """What one tile found."""
        self._first = self._first or features
        core, seen = (_ground(self.grid, window) for window in (tile.core, tile.padded))
        for index, geometry in enumerate(features.geometries):
            if _counts(geometry, core, self.grid, tile.core):
                row = {name: column[index] for name, column in features.table.items()}
                self._pieces.append(_Piece(geometry, seen, row))

    def joined(self) -> Features:
        """All features, each once, in the order in which they were first seen."""
        assert self._first is not None, "a joiner is made when the first features come"
        found = [_one([self._pieces[index] for index in group]) for group in _groups(self._pieces)]
        table = {
            name: np.array([row[name] for _, row in found], column.dtype).reshape(len(found), *column.shape[1:])
            for name, column in self._first.table.items()
        }
        return Features(tuple(geometry for geometry, _ in found), self._first.crs, table)


def _counts(geometry: BaseGeometry, core: BaseGeometry, grid: Grid, window: Window) -> bool:
    if geometry.area > 0:
        return bool(geometry.intersects(core)) and geometry.intersection(core).area > _SLACK * geometry.area
    point = geometry.representative_point()
    col, row = cast("tuple[float, float]", ~grid.transform @ (point.x, point.y))
    return 0 <= row - window.row < window.rows and 0 <= col - window.col < window.cols


def _ground(grid: Grid, window: Window) -> BaseGeometry:
    corners = [(0, 0), (window.cols, 0), (window.cols, window.rows), (0, window.rows)]
    return Polygon([grid.transform @ (window.col + col, window.row + row) for col, row in corners])


def _groups(pieces: Sequence[_Piece]) -> Iterator[list[int]]:
    """Indexes of pieces of one thing, the first of each group in ascending order."""
    tree = STRtree([piece.geometry for piece in pieces])
    leader = list(range(len(pieces)))

    def lead(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for index, piece in enumerate(pieces):
        for other in tree.query(piece.geometry, predicate="intersects").tolist() if piece.geometry.area else ():
            if other > index and _same(piece, pieces[other]):
                first, second = sorted((lead(index), lead(other)))
                leader[second] = first
    members: dict[int, list[int]] = {}
    for index in range(len(pieces)):
        members.setdefault(lead(index), []).append(index)
    yield from members.values()


def _same(one: _Piece, other: _Piece) -> bool:
    if one.seen.equals(other.seen) or not other.geometry.area or not _agree(one.row, other.row):
        return False
    both = one.seen.intersection(other.seen)
    here, there = one.geometry.intersection(both), other.geometry.intersection(both)
    covered = here.union(there).area
    if not both.area:
        return bool(one.geometry.intersection(other.geometry).length > 0)
    return covered > 0 and here.intersection(there).area >= SAME_GROUND * covered


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Everything but measured numbers and dates is equal."""
    named = [name for name, value in one.items() if np.asarray(value).dtype.kind not in "fcM"]
    return all(np.array_equal(one[name], other[name]) for name in named)


def _one(pieces: Sequence[_Piece]) -> tuple[BaseGeometry, dict[str, Any]]:
    best = max(pieces, key=lambda piece: (float(piece.row.get(SCORE, 0.0)), piece.geometry.area))
    geometries = [piece.geometry for piece in pieces]
    if len(pieces) == 1 or all(geometry.equals(geometries[0]) for geometry in geometries):
        return best.geometry, best.row
    whole = union_all(geometries)
    if AREA in best.row:  # a measured outline, not a detector's rectangle
        return whole, {**best.row, AREA: best.row[AREA] * whole.area / best.geometry.area}
    if all(geometry.equals(box(*geometry.bounds)) for geometry in geometries):
        return box(*whole.bounds), best.row
    if all(_is_rectangle(geometry) for geometry in geometries):
        return minimum_rotated_rectangle(whole), best.row
    return whole, best.row


def _is_rectangle(geometry: BaseGeometry) -> bool:
    return minimum_rotated_rectangle(geometry).area <= geometry.area * (1 + 1e-3)
