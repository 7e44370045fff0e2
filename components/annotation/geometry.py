"""Faults of vector labels, feature by feature, and what mends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import box

from components.raster.grid import Grid
from components.raster.scene import Features

Shapes = NDArray[Any]  # of shapely geometries
Bool = NDArray[np.bool_]

MOST_VERTICES = 100_000  # the outline of a square of 10,000 px, drawn pixel by pixel, has 40,000
LEAST_WIDTH_PX = 1.0  # of a polygon: twice its area over its length of outline
SIMPLIFIED_PX = 0.1  # vertices may move by so much when there are too many
_POLYGONS = (3, 6)  # types as shapely numbers them: Polygon, MultiPolygon


@dataclass(frozen=True)
class Mended:
    """Features after mending: those that stay, the rows that were dropped, and what was done to which row."""

    features: Features
    kept: NDArray[np.int64]
    done: dict[int, tuple[str, ...]]


def faults(features: Features, grid: Grid) -> dict[str, Bool]:
    """Which features have which fault, one array of booleans a fault, in the order of the features.

    Names: `empty`, `not_finite` (a coordinate is NaN or infinite), `invalid` (self-intersecting and the like),
    `foreign_crs`, `outside` (no part lies on the raster), `duplicate` (an earlier feature has the same shape),
    `sliver` (narrower than a pixel), `three_d`, `many_vertices` (above 100,000). A fault that needs sound coordinates
    is not looked for where there are none.
    """
    shapes = np.array(features.geometries, dtype=object)
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    finite = _finite(shapes)
    sound = ~empty & finite
    foreign = np.full(len(shapes), features.crs != grid.crs)
    invalid = _where(sound, shapes, lambda each: ~shapely.is_valid(each))
    return {
        "empty": empty,
        "not_finite": ~empty & ~finite,
        "invalid": invalid,
        "foreign_crs": foreign,
        "outside": _where(sound & ~foreign, shapes, lambda each: ~_meets(each, grid)),
        "duplicate": _where(sound, shapes, _seen_before),
        "sliver": _where(sound & ~foreign & ~invalid, shapes, lambda each: _width_px(each, grid) < LEAST_WIDTH_PX),
        "three_d": _where(sound, shapes, shapely.has_z),
        "many_vertices": _where(sound, shapes, lambda each: shapely.get_num_coordinates(each) > MOST_VERTICES),
    }


def mend(features: Features, grid: Grid) -> Mended:
    """The features without faults: mended where their maker's intent is plain, else dropped; each with a record.

    Moved to the CRS of the raster, made two-dimensional, made valid (only the polygons of a polygon stay), simplified
    by a tenth of a pixel where there are too many vertices. Dropped: empty, not finite, outside, duplicate, sliver. The
    same features give the same answer, so whoever needs them calls this again.
    """
    done: dict[int, list[str]] = {row: [] for row in range(len(features.geometries))}
    shapes = np.array(features.geometries, dtype=object)
    found = faults(features, grid)
    usable = ~found["empty"] & ~found["not_finite"]
    for name in ("empty", "not_finite"):
        _note(done, found[name], f"dropped: {name}")
    if found["foreign_crs"].any() and features.crs is not None and grid.crs is not None:
        shapes[usable] = _moved(shapes[usable], features, grid)
        _note(done, usable, f"moved from {features.crs.to_string()} to {grid.crs.to_string()}")
    for name, how, work in _mending(grid):
        wrong = usable & found[name]
        if wrong.any():
            shapes[wrong] = work(shapes[wrong])
            _note(done, wrong, how)
    again = faults(Features(tuple(shapes), grid.crs), grid)
    lost = usable & np.logical_or.reduce([again[name] for name in ("empty", "outside", "duplicate", "sliver")])
    for name in ("empty", "outside", "duplicate", "sliver"):
        _note(done, usable & again[name], f"dropped: {name}")
    kept = np.flatnonzero(usable & ~lost)
    table = {name: np.asarray(column)[kept] for name, column in features.table.items()}
    return Mended(Features(tuple(shapes[kept]), grid.crs, table), kept, {row: tuple(how) for row, how in done.items()})


def _mending(grid: Grid) -> tuple[tuple[str, str, Callable[[Shapes], Shapes]], ...]:
    size = SIMPLIFIED_PX * _pixel(grid)
    return (
        ("three_d", "made two-dimensional", shapely.force_2d),
        ("invalid", "made valid", _made_valid),
        ("many_vertices", f"simplified by {SIMPLIFIED_PX:g} px", lambda each: shapely.simplify(each, size)),
    )


def _made_valid(shapes: Shapes) -> Shapes:
    """Valid shapes of the same dimension: the lines and points that fall off a polygon are left out."""
    valid = shapely.make_valid(shapes)
    for at, (before, after) in enumerate(zip(shapes, valid, strict=True)):
        if before.geom_type in {"Polygon", "MultiPolygon"}:
            parts = shapely.get_parts(after)
            deep = [part for each in parts for part in shapely.get_parts(each) if part.geom_type == "Polygon"]
            valid[at] = shapely.union_all(deep) if deep else shapely.Polygon()
    return np.asarray(valid)


def _moved(shapes: Shapes, features: Features, grid: Grid) -> Shapes:
    assert features.crs is not None
    assert grid.crs is not None
    series = geopandas.GeoSeries(shapes, crs=features.crs.to_wkt(version="WKT2_2019"))
    return np.asarray(series.to_crs(grid.crs.to_wkt(version="WKT2_2019")), dtype=object)


def _finite(shapes: Shapes) -> Bool:
    """True where every coordinate is a number; also of shapes that have none."""
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    finite = np.ones(len(shapes), dtype=np.bool_)
    finite[owner[~np.isfinite(points).all(axis=1)]] = False
    return finite


def _where(wanted: Bool, shapes: Shapes, test: Callable[[Shapes], Any]) -> Bool:
    answer = np.zeros(len(shapes), dtype=np.bool_)
    if wanted.any():
        answer[wanted] = test(shapes[wanted])
    return answer


def _meets(shapes: Shapes, grid: Grid) -> Bool:
    return np.asarray(shapely.intersects(shapely.envelope(shapes), box(*grid.bounds)))


def _seen_before(shapes: Shapes) -> Bool:
    keys = shapely.to_wkb(shapely.normalize(shapely.force_2d(shapes)))
    _, first = np.unique(keys, return_index=True)
    repeated = np.ones(len(shapes), dtype=np.bool_)
    repeated[first] = False
    return repeated


def _width_px(shapes: Shapes, grid: Grid) -> NDArray[np.float64]:
    """Mean width of polygons in pixels; infinite for lines and points, which have none."""
    polygons = np.isin(shapely.get_type_id(shapes), _POLYGONS)
    around = np.maximum(shapely.length(shapes), 1e-30)
    return np.asarray(np.where(polygons, 2 * shapely.area(shapes) / around / _pixel(grid), np.inf))


def _pixel(grid: Grid) -> float:
    """Side of a pixel in units of the grid's CRS."""
    return float(abs(grid.transform.determinant) ** 0.5)


def _note(done: dict[int, list[str]], rows: Bool, how: str) -> None:
    for row in np.flatnonzero(rows):
        done[int(row)].append(how)
