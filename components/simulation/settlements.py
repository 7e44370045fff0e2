"""Villages, the roads between them, and houses along the streets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from shapely.geometry import Polygon
from shapely.ops import substring

from components.simulation.drawing import Points, Rectangles, Warp, band, covered, stamp
from components.simulation.noise import Float, stream
from components.simulation.spectra import Material

VILLAGE_AREA_PX = 26_000  # one village in about 2.6 square kilometres
ROAD_PX, STREET_PX, TRACK_PX = 1.5, 1.1, 1.1
ROOFS = (Material.TILE, Material.CONCRETE, Material.METAL, Material.ASPHALT)
ROOF_SHARES = (0.62, 0.14, 0.08, 0.16)


@dataclass(frozen=True)
class Settlements:
    """Pixels ``(row, col)`` of roads, tracks, gardens, and the roof material on buildings (0 elsewhere)."""

    villages: Points
    road: NDArray[np.bool_]
    track: NDArray[np.bool_]
    garden: NDArray[np.bool_]
    roof: NDArray[np.uint8]


def settlements(
    seed: int, shape: tuple[int, int], height_m: Float, warp: Warp, districts: tuple[Polygon, ...]
) -> Settlements:
    """The settlements of a seed; villages seek low ground, roads join them and leave the scene."""
    rng = stream(seed, "settlements")
    villages = _villages(rng, shape, height_m)
    roads = _roads(rng, shape, villages, warp)
    streets = _streets(rng, villages)
    houses = _houses(rng, villages, roads, streets)
    tracks = [band(_edge(district, rng), TRACK_PX) for district in districts if rng.random() < 0.55]
    bands = [band(road, ROAD_PX) for road in roads] + [band(street, STREET_PX) for street in streets]
    roof = stamp(houses, roofs(rng, len(houses)), shape)
    yards = houses.grown(rng.uniform(1.3, 2.4))
    garden = stamp(yards, np.ones(len(yards), dtype=np.uint8), shape) > 0
    return Settlements(villages, covered(bands, shape), covered(tracks, shape), garden, roof)


def roofs(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Roof materials for ``count`` buildings, as codes of `Material`."""
    return rng.choice(ROOFS, size=count, p=ROOF_SHARES).astype(np.uint8)


def _villages(rng: np.random.Generator, shape: tuple[int, int], height_m: Float) -> Points:
    """Village centres as ``(x, y)``, apart from each other."""
    wanted = max(2, round(shape[0] * shape[1] / VILLAGE_AREA_PX))
    tries = rng.uniform((0.08, 0.08), (0.92, 0.92), size=(8 * wanted, 2)) * (shape[1], shape[0])
    low = height_m[tries[:, 1].astype(int), tries[:, 0].astype(int)]
    chosen: list[NDArray[np.float64]] = []
    for place in tries[np.argsort(low, kind="stable")]:
        if all(np.hypot(*(place - other)) > 100 for other in chosen):
            chosen.append(place)
    return np.array(chosen[:wanted])


def _roads(rng: np.random.Generator, shape: tuple[int, int], villages: Points, warp: Warp) -> list[Points]:
    """Roads of the shortest net between villages, some short cuts, and ways out over the edges."""
    distance = cdist(villages, villages)
    tree = minimum_spanning_tree(distance).toarray() > 0
    shortcuts = (distance < 190) & (rng.random(distance.shape) < 0.25)
    roads = [warp.line(villages[a], villages[b]) for a, b in np.argwhere(np.triu(tree | tree.T | shortcuts, 1))]
    size = np.array([shape[1], shape[0]], dtype=np.float64)
    for side in range(4):
        axis, far = divmod(side, 2)
        gates = size * rng.uniform(0.1, 0.9, size=(max(1, max(shape) // 400), 2))
        gates[:, axis] = size[axis] + 30 if far else -30.0
        for gate in gates:
            nearest = villages[np.argmin(np.hypot(*(villages - gate).T))]
            roads.append(warp.line(nearest, gate))
    return roads


def _streets(rng: np.random.Generator, villages: Points) -> list[Points]:
    """Short straight streets around each village centre."""
    streets = []
    for centre in villages:
        heading = rng.uniform(0, np.pi)
        for _ in range(int(rng.integers(4, 10))):
            turn = heading + rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.12)
            middle = centre + rng.normal(0, 9, 2)
            reach = rng.uniform(6, 19) * np.array([np.cos(turn), np.sin(turn)])
            streets.append(np.array([middle - reach, middle + reach]))
    return streets


def _houses(rng: np.random.Generator, villages: Points, roads: list[Points], streets: list[Points]) -> Rectangles:
    """Houses on both sides of the streets, fewer along the roads, and now and then a hall."""
    spots = [_beside(rng, street, spacing_px=rng.uniform(2.2, 3.4), offset_px=2.1) for street in streets]
    near = [road[np.hypot(*(road - village).T) < rng.uniform(9, 26)] for road in roads for village in villages]
    spots += [_beside(rng, road, spacing_px=3.2, offset_px=2.5) for road in near if len(road) > 1]
    spots += [_beside(rng, road, spacing_px=95.0, offset_px=4.5) for road in roads]
    placed = np.vstack(spots)
    placed = placed[rng.random(len(placed)) < 0.86]
    sizes = np.column_stack([rng.uniform(1.3, 2.8, len(placed)), rng.uniform(1.0, 1.7, len(placed))])
    sizes[rng.random(len(placed)) < 0.06] *= rng.uniform(2.0, 3.2)
    return Rectangles(placed[:, :2], sizes, placed[:, 2])


def _beside(rng: np.random.Generator, line: Points, *, spacing_px: float, offset_px: float) -> Points:
    """Places ``(x, y, heading)`` on both sides of a line."""
    steps = np.diff(line, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    places = []
    for side in (-1.0, 1.0):
        at = np.arange(rng.uniform(0, spacing_px), along[-1], spacing_px)
        angle = heading[np.minimum(np.searchsorted(along, at, side="right") - 1, len(heading) - 1)]
        away = side * (offset_px + rng.uniform(-0.3, 0.6, len(at)))
        x = np.interp(at, along, line[:, 0]) - np.sin(angle) * away
        y = np.interp(at, along, line[:, 1]) + np.cos(angle) * away
        places.append(np.column_stack([x, y, angle]))
    return np.vstack(places)


def _edge(district: Polygon, rng: np.random.Generator) -> Points:
    """A stretch of a district's border."""
    border = district.exterior
    start = rng.uniform(0, 0.5)
    return np.asarray(substring(border, start, start + rng.uniform(0.3, 0.5), normalized=True).coords)
