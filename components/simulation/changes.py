"""What truly changes between two dates: buildings, roads, clear-cuts and fires, each with its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.simulation.drawing import Points, Rectangles, band, covered, joined, stamp
from components.simulation.landcover import BURNABLE, FOREST, OPEN, Cover, among
from components.simulation.noise import fractal, stream
from components.simulation.settlements import roofs
from components.simulation.territory import Territory

UNCHANGED, BUILDING, ROAD, CLEARCUT, BURNED = range(5)
SITE_AREA_PX = 65_536  # numbers of events below are meant for this area, 6.6 square kilometres
NEW_ROAD_PX = 1.9
LEAST_SEVERITY = 0.3  # a fire that takes less leaves no scar that counts as change

Kinds = NDArray[np.uint8]


@dataclass(frozen=True)
class Changed:
    """The territory at the second date and ``(row, col)`` the kind of change, 0 where there is none."""

    territory: Territory
    kinds: Kinds


def changed(before: Territory) -> Changed:
    """The same land later: every pixel whose cover differs, or that burned, has its kind."""
    rng = stream(before.seed, "changes")
    state = Changed(before, np.zeros(before.shape, dtype=np.uint8))
    for event in (_fires, _clearcuts, _roads, _buildings):
        state = event(rng, state)
    return state


def _edit(state: Changed, where: NDArray[np.bool_], kind: int, cover: Cover) -> Changed:
    """The state with another cover on some pixels."""
    new_cover, kinds = state.territory.cover.copy(), state.kinds.copy()
    new_cover[where], kinds[where] = cover, kind
    return Changed(replace(state.territory, cover=new_cover), kinds)


def _count(rng: np.random.Generator, state: Changed, usual: float) -> int:
    """How many events of a kind the territory sees: Poisson, but never none."""
    return max(1, int(rng.poisson(usual * state.kinds.size / SITE_AREA_PX)))


def _pick(rng: np.random.Generator, where: NDArray[np.bool_], count: int) -> Points:
    """Up to ``count`` of the true pixels as ``(x, y)`` of their centres."""
    found = np.flatnonzero(where)
    if not len(found):
        return np.empty((0, 2))
    row, col = np.unravel_index(rng.choice(found, size=count), where.shape)
    return np.column_stack([col + 0.5, row + 0.5])


def _fires(rng: np.random.Generator, state: Changed) -> Changed:
    """Burned wild land of irregular outline, with unburned islands and severity falling to the rim."""
    cover = state.territory.cover
    burnable = among(cover, BURNABLE)
    severity = state.territory.severity.copy()
    for x, y in _pick(rng, burnable, _count(rng, state, 1.2)):
        reach = int(rng.uniform(30, 66))
        rows = slice(max(int(y) - reach, 0), int(y) + reach)
        cols = slice(max(int(x) - reach, 0), int(x) + reach)
        gy, gx = np.mgrid[rows.start : min(rows.stop, cover.shape[0]), cols.start : min(cols.stop, cover.shape[1])]
        distance = np.hypot((gy - y) * rng.uniform(0.8, 1.6), gx - x) / reach
        spread = 0.9 - 1.6 * distance + 0.32 * fractal(rng, gy.shape, scale_px=reach / 2, slope=1.9)
        taken = np.clip(rng.uniform(0.85, 1.25) * np.tanh(1.8 * spread), 0, 0.97).astype(np.float32)
        severity[rows, cols] = np.maximum(severity[rows, cols], taken)
    severity[~burnable | (severity < LEAST_SEVERITY)] = 0
    kinds = state.kinds.copy()
    kinds[severity > 0] = BURNED
    return Changed(replace(state.territory, severity=severity), kinds)


def _clearcuts(rng: np.random.Generator, state: Changed) -> Changed:
    """Felled pieces of forest with straight edges."""
    forest = among(state.territory.cover, FOREST) & (state.kinds == UNCHANGED)
    centres = _pick(rng, forest, _count(rng, state, 5.5))
    sizes = np.column_stack([rng.uniform(14, 30, len(centres)), rng.uniform(8, 18, len(centres))])
    pieces = Rectangles(centres, sizes, rng.uniform(0, np.pi, len(centres)))
    felled = stamp(pieces, np.ones(len(pieces), dtype=np.uint8), state.territory.shape) > 0
    return _edit(state, felled & forest, CLEARCUT, Cover.CLEARCUT)


def _roads(rng: np.random.Generator, state: Changed) -> Changed:
    """New roads, slightly curved, from an old road across country."""
    cover = state.territory.cover
    lines = []
    for start in _pick(rng, cover == Cover.ROAD, _count(rng, state, 3.2)):
        inwards = np.arctan2(*(np.array(cover.shape) / 2 - start[::-1]))
        heading = inwards + rng.uniform(-1.1, 1.1)
        end = start + rng.uniform(70, 150) * np.array([np.cos(heading), np.sin(heading)])
        middle = (start + end) / 2 + rng.normal(0, 14, 2)
        t = np.linspace(0, 1, 24)[:, None]
        lines.append(band((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end, NEW_ROAD_PX))
    free = among(cover, (*OPEN, *FOREST, Cover.TRACK)) & (state.kinds == UNCHANGED)
    return _edit(state, covered(lines, cover.shape) & free, ROAD, Cover.ROAD)


def _buildings(rng: np.random.Generator, state: Changed) -> Changed:
    """Housing estates and halls on open land near roads."""
    cover = state.territory.cover
    by_road = _pick(rng, cover == Cover.ROAD, 60)
    around = Rectangles(by_road, np.full((len(by_road), 2), 26.0), np.zeros(len(by_road)))
    near_road = stamp(around, np.ones(len(around), dtype=np.uint8), state.territory.shape) > 0
    free = among(cover, OPEN) & (state.kinds == UNCHANGED)
    sites = _pick(rng, free & near_road, _count(rng, state, 4.5))
    new = joined([_estate(rng, centre) if rng.random() < 0.6 else _halls(rng, centre) for centre in sites])
    drawn = stamp(new, roofs(rng, len(new)), state.territory.shape)
    where = (drawn > 0) & free
    state = _edit(state, where, BUILDING, Cover.BUILDING)
    roof = np.where(where, drawn, state.territory.roof)
    return Changed(replace(state.territory, roof=roof), state.kinds)


def _estate(rng: np.random.Generator, centre: Points) -> Rectangles:
    """Rows of houses, all turned alike."""
    rows, cols = rng.integers((3, 4), (6, 8))
    spacing, angle = rng.uniform(4.0, 5.2), rng.uniform(0, np.pi)
    lattice = np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), axis=-1).reshape(-1, 2)
    local = (lattice - lattice.mean(axis=0)) * spacing + rng.normal(0, 0.3, lattice.shape)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    sizes = np.column_stack([rng.uniform(2.0, 3.4, len(local)), rng.uniform(1.6, 2.3, len(local))])
    kept = rng.random(len(local)) < 0.9
    return Rectangles(local @ turn + centre, sizes, np.full(len(local), angle)).only(kept)


def _halls(rng: np.random.Generator, centre: Points) -> Rectangles:
    """A few large buildings side by side."""
    count, angle = int(rng.integers(1, 4)), rng.uniform(0, np.pi)
    across = np.array([-np.sin(angle), np.cos(angle)])
    centres = centre + (np.arange(count)[:, None] - (count - 1) / 2) * across * rng.uniform(10, 14)
    sizes = np.column_stack([rng.uniform(8, 18, count), rng.uniform(5, 8.5, count)])
    return Rectangles(centres, sizes, np.full(count, angle))
