"""Do chips of different splits share ground or pixels? The checks that stand before every training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import geopandas as gpd
from pyproj import Geod, Transformer
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.strtree import STRtree

from components.errors import BadParams, LeakageFound
from components.tasks.chips import Prepared, warped
from components.tasks.copies import copies
from components.tasks.params import Fold

METRES_PER_DEGREE = (
    110_000.0  # a little less than the shortest degree of latitude: the search box errs on the large side
)
POLE_DEGREES = 89.0  # beyond, a degree of longitude has no useful length
OVERLAP_FRACTION = 1e-6  # of the smaller chip; less is the rounding of neighbours that share an edge
MOST_NAMED = 10


def require_places(found: Sequence[str], folds: Sequence[Fold], where: object) -> None:
    """Nothing where split and data name the same places.

    Raises:
        BadParams: names the places that only the split or only the data knows.
    """
    known, wanted = set(found), {place for fold in folds for place in (*fold.train, *fold.val, *fold.test)}
    if wanted - known:
        raise BadParams(where, f"split: the data holds no place {_list(wanted - known)}; it holds {_list(known)}")
    if known - wanted:
        raise BadParams(where, f"split: places {_list(known - wanted)} of the data stand in no split; add them to one")


def require_no_leakage(index: gpd.GeoDataFrame, folds: Sequence[Fold], guard_m: float) -> None:
    """Nothing where chips of different splits lie at least ``guard_m`` metres apart and never overlap.

    ``index`` is that of prepared chips. Distances are measured on the ground, whatever the CRS. Chips without
    CRS can only be compared within one source: there they must not share pixels.

    Raises:
        LeakageFound: names the first pairs.
    """
    roles = roles_of(index, folds)
    _refuse([*_near_on_the_ground(index, roles, guard_m), *_shared_pixels(index, roles)])


def require_no_copies(prepared: Prepared, folds: Sequence[Fold]) -> None:
    """Nothing where no two chips of different splits show the same pixels, wherever they are said to lie.

    A copy that was encoded again or shifted by some pixels is found, too; see `copies.copies`.

    Raises:
        LeakageFound: names the first pairs.
    """
    index = prepared.index
    found = copies(prepared, roles_of(index, folds))
    _refuse([f"{_name(index, one)} and {_name(index, other)} show {_shown(alike)}" for one, other, alike in found])


def _shown(alike: float) -> str:
    return "the same pixels" if alike == 1 else f"the same picture (correlation {alike:.2f})"


def _refuse(pairs: Sequence[str]) -> None:
    if pairs:
        more = [f"and {len(pairs) - MOST_NAMED} more pairs"] if len(pairs) > MOST_NAMED else []
        raise LeakageFound([*pairs[:MOST_NAMED], *more])


def roles_of(index: gpd.GeoDataFrame, folds: Sequence[Fold]) -> list[tuple[str, ...]]:
    """The split of each chip in every fold: chips with equal roles never meet across a split."""
    roles = {place: tuple(_split(fold, place) for fold in folds) for place in set(index["place"])}
    return [roles[place] for place in index["place"]]


def _split(fold: Fold, place: str) -> str:
    return next((name for name in ("train", "val", "test") if place in getattr(fold, name)), "none")


def _near_on_the_ground(index: gpd.GeoDataFrame, roles: Sequence[tuple[str, ...]], guard_m: float) -> Iterator[str]:
    rows = [row for row, shape in enumerate(index.geometry) if shape is not None and not shape.is_empty]
    shapes = [index.geometry.iloc[row] for row in rows]
    tree = STRtree(shapes)
    for at, shape in enumerate(shapes):
        for other in sorted(int(hit) for hit in tree.query(_grown(shape, guard_m))):
            first, second = rows[at], rows[other]
            if other <= at or roles[first] == roles[second]:
                continue
            problem = ground_conflict(shape, shapes[other], guard_m)
            if problem:
                yield f"{_name(index, first)} and {_name(index, second)} {problem}"


def ground_conflict(left: BaseGeometry, right: BaseGeometry, guard_m: float) -> str | None:
    """What is wrong between two footprints (WGS 84) of different splits; None where nothing is."""
    middle = left.union(right).centroid
    flat = Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={middle.y} +lon_0={middle.x} +datum=WGS84 +units=m", always_xy=True
    )
    one, two = (warped(each, flat) for each in (left, right))
    if one.intersection(two).area > OVERLAP_FRACTION * min(one.area, two.area):
        return "overlap"
    distance_m = one.distance(two)
    return f"are {distance_m:.0f} m apart, guard {guard_m:.0f} m" if distance_m < guard_m - 1e-3 * guard_m else None


def _grown(shape: BaseGeometry, margin_m: float) -> BaseGeometry:
    """A box in degrees that holds everything within ``margin_m`` of the shape."""
    west, south, east, north = shape.bounds
    up = margin_m / METRES_PER_DEGREE
    farthest = min(max(abs(south - up), abs(north + up)), POLE_DEGREES)
    across = margin_m / max(Geod(ellps="WGS84").inv(0, farthest, 1, farthest)[2], 1.0)
    return box(west - across, south - up, east + across, north + up)


def _shared_pixels(index: gpd.GeoDataFrame, roles: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Chips without CRS that hold the same pixels of one source."""
    by_source: dict[str, list[tuple[int, BaseGeometry]]] = {}
    for row, shape in enumerate(index.geometry):
        if shape is None or shape.is_empty:
            by_source.setdefault(index["source"].iloc[row], []).append((row, _pixels(index["window"].iloc[row])))
    for chips in by_source.values():
        for at, (row, shape) in enumerate(chips):
            for other, beside in chips[at + 1 :]:
                if roles[row] != roles[other] and shape.intersection(beside).area > 0:
                    yield f"{_name(index, row)} and {_name(index, other)} share pixels of {index['source'].iloc[row]}"


def _pixels(window: str) -> BaseGeometry:
    row, col, rows, cols = json.loads(window)
    return box(col, row, col + cols, row + rows)


def _name(index: gpd.GeoDataFrame, row: int) -> str:
    entry: Any = index.iloc[row]
    return f"{entry['chip']} (place {entry['place']})"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
