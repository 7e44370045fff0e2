"""Do chips of different splits share ground, sources or pixels? The report with names, over prepared chips."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.crs import CRS
from shapely import STRtree, box
from shapely.affinity import scale
from shapely.geometry import Polygon
from shapely.ops import nearest_points

from components.annotation.copies import near_copies
from components.errors import LeakageFound
from components.tasks.chips import Prepared
from components.tasks.params import CrossValidation, PlaceSplit

Kind = Literal["same source", "shared ground", "inside guard band", "same pixels", "near copy", "same pass"]
SLIVER = 1e-6  # overlap below this share of the smaller chip is rounding: neighbours that touch
METRES_PER_DEGREE = 110_574.0  # of latitude at the equator, where a degree is shortest


@dataclass(frozen=True)
class Leak:
    """Two chips that some fold puts into different splits, and what they share.

    ``measure`` is the shared part (0..1) of ground, the distance in metres, or the correlation of a copy.
    """

    kind: Kind
    left: str
    right: str
    measure: float

    def __str__(self) -> str:
        return f"{self.left} and {self.right}: {self.kind} ({self.measure:.3g})"


@dataclass(frozen=True)
class _Footprint:
    crs: CRS
    polygon: Polygon


def find_leaks(prepared: Prepared, split: PlaceSplit | CrossValidation) -> tuple[Leak, ...]:
    """Every leak between chips that any fold of ``split`` puts into different splits, sorted; none: empty.

    Checked are the id of the source, ground and distance (in the CRS of the chips where they share one,
    geodesic else), and pixels: the same bytes, re-encoded, or shifted by some pixels. Chips without CRS have no
    ground: for them sources and pixels remain.
    """
    index = prepared.index.reset_index(drop=True)
    apart = chips_apart(index, split)
    names = list(index["chip"])
    found = [
        *(Leak("same source", names[i], names[j], 1.0) for i, j in _same_source(index) if apart[i, j]),
        *_on_ground(index, apart, split.guard_m),
        *(Leak(kind, names[i], names[j], alike) for kind, i, j, alike in near_copies(prepared, names, apart)),
    ]
    return tuple(sorted(found, key=lambda leak: (leak.kind, leak.left, leak.right)))


def require_no_leaks(leaks: Sequence[Leak]) -> None:
    """Nothing where there is no leak.

    Raises:
        LeakageFound: names the pairs.
    """
    if leaks:
        raise LeakageFound([str(leak) for leak in leaks])


def chips_apart(index: pd.DataFrame, split: PlaceSplit | CrossValidation) -> NDArray[np.bool_]:
    """True ``(chip, chip)`` where some fold has the two in different splits."""
    apart = np.zeros((len(index), len(index)), dtype=bool)
    for fold in split.folds():
        homes = {place: home for home, places in enumerate((fold.train, fold.val, fold.test)) for place in places}
        own = np.array([homes.get(place, -1) for place in index["place"]])
        used = own >= 0
        apart |= (own[:, None] != own[None, :]) & used[:, None] & used[None, :]
    return apart


def _same_source(index: pd.DataFrame) -> Iterator[tuple[int, int]]:
    for rows in index.groupby("source").indices.values():
        yield from ((int(i), int(j)) for at, i in enumerate(rows) for j in rows[at + 1 :])


def _on_ground(index: gpd.GeoDataFrame, apart: NDArray[np.bool_], guard_m: float) -> Iterator[Leak]:
    placed = [row for row in range(len(index)) if index.geometry[row] is not None]
    footprints = {row: _footprint(index.iloc[row].to_dict()) for row in placed}
    reach = [_grown(index.geometry[row], guard_m) for row in placed]
    tree = STRtree([index.geometry[row] for row in placed])
    for first, second in zip(*tree.query(reach, predicate="intersects"), strict=True):
        left, right = placed[first], placed[second]
        if left < right and apart[left, right]:
            leak = _between(footprints[left], footprints[right], guard_m)
            if leak:
                yield Leak(leak[0], index["chip"][left], index["chip"][right], leak[1])


def _footprint(row: Mapping[str, Any]) -> _Footprint:
    """The chip's own outline in its own CRS: a box in WGS 84 would be too large and touch its neighbours."""
    _, _, rows, cols = json.loads(row["window"])
    for name, about in sorted(json.loads(row["about"]).items()):
        if name.startswith("inputs.") and about.get("crs") and "transform" in about:
            transform = Affine(*about["transform"])
            corners = [transform @ corner for corner in ((0, 0), (cols, 0), (cols, rows), (0, rows))]
            return _Footprint(CRS.from_string(about["crs"]), Polygon(corners))
    return _Footprint(CRS.from_epsg(4326), row["geometry"])  # features only


def _grown(outline: Polygon, guard_m: float) -> Polygon:
    """The outline in WGS 84 grown by at least the guard band on each side."""
    west, south, east, north = outline.bounds
    up = guard_m / METRES_PER_DEGREE
    aside = up / max(np.cos(np.deg2rad(min(max(abs(south), abs(north)) + up, 89.0))), 1e-3)
    return box(west - aside, south - up, east + aside, north + up)


def _between(left: _Footprint, right: _Footprint, guard_m: float) -> tuple[Kind, float] | None:
    if left.crs != right.crs:
        left, right = _geographic(left), _geographic(right)
    shared = left.polygon.intersection(right.polygon).area / min(left.polygon.area, right.polygon.area)
    if shared > SLIVER:
        return "shared ground", float(shared)
    distance = _distance_m(left, right)
    return ("inside guard band", distance) if distance < guard_m else None


def _geographic(footprint: _Footprint) -> _Footprint:
    frame = gpd.GeoSeries([footprint.polygon.segmentize(footprint.polygon.length / 80)], crs=footprint.crs.to_wkt())
    return _Footprint(CRS.from_epsg(4326), frame.to_crs("EPSG:4326").iloc[0])


def _distance_m(left: _Footprint, right: _Footprint) -> float:
    if not left.crs.is_geographic:
        return float(left.polygon.distance(right.polygon)) * float(left.crs.linear_units_factor[1])
    # nearest points on a plane whose axes are equally long here, then their distance on the ellipsoid
    squeeze = float(np.cos(np.deg2rad(left.polygon.centroid.y)))
    flat = [scale(each.polygon, xfact=squeeze, yfact=1, origin=(0, 0)) for each in (left, right)]
    (x1, y1), (x2, y2) = (point.coords[0] for point in nearest_points(*flat))
    return float(Geod(ellps="WGS84").inv(x1 / squeeze, y1, x2 / squeeze, y2)[2])
