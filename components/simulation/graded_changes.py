"""Changes of graded contrast, size, shape and duration: what is easy to find and what nobody finds, in one series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.ndimage import binary_dilation, label

from components.simulation.drawing import Rectangles, stamp
from components.simulation.noise import fractal

Mask = NDArray[np.bool_]
Ground = Literal["open", "forest", "water"]
TRIES = 60  # places tried for one event before it is left out: small forests do not hold every clear-cut
LEAST_PX = 2
GAP_PX = 2  # between events, so that a patch of the truth is one event
LATEST_SHARE = 0.2  # of the dates, before the first and after the last onset of what stays
MOST_SIDES = 3.0  # length over width of turned rectangles
CROSS_SHARE = (0.6, 1.1)  # of the contrast in VV that VH shows: never the same for two objects


class ChangeKind(BaseModel):
    """One kind of change as `dataset.yaml` declares it: how many a place, where, how large, how long, how strong.

    Contrast is log-normal in decibels, ``median_db`` and ``spread`` (deviation of its logarithm), drawn again outside
    ``limits_db``; ``brighter`` is the share of events that brighten the ground. Areas are log-uniform in ``area_px``.
    ``lasts`` is in dates; none means that the change stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: tuple[int, int]
    ground: Ground
    shape: Literal["turned", "ragged"]
    area_px: tuple[float, float]
    lasts: tuple[int, int] | None = None
    median_db: float = Field(gt=0)
    spread: float = Field(ge=0, le=1)
    limits_db: tuple[float, float] = (1.0, 12.0)
    brighter: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for name in ("count", "area_px", "lasts", "limits_db"):
            low, high = getattr(self, name) or (0, 0)
            if low < 0 or low > high:
                raise ValueError(f"{name}: {low} to {high} is no range; give the smaller number first, from 0 on")
        if not self.limits_db[0] <= self.median_db <= self.limits_db[1]:
            raise ValueError(f"median_db: {self.median_db} lies outside limits_db {self.limits_db}")
        return self


@dataclass(frozen=True)
class Event:
    """``where`` ``(row, col)`` brightens by ``contrast_db`` (VV, VH) from date ``first`` to ``last``, both included."""

    name: str
    where: Mask
    first: int
    last: int
    contrast_db: tuple[float, float]


def events(
    rng: np.random.Generator, kinds: Mapping[str, ChangeKind], grounds: Mapping[Ground, Mask], dates: int
) -> list[Event]:
    """Events that neither touch nor leave their ground; one that finds no room is left out."""
    free = np.ones(next(iter(grounds.values())).shape, bool)
    free[[0, -1]] = free[:, [0, -1]] = False  # a patch at the border would not be whole
    made = []
    for name, kind in kinds.items():
        for _ in range(int(rng.integers(kind.count[0], kind.count[1] + 1))):
            where = _placed(rng, kind, grounds[kind.ground] & free)
            if where is None:
                continue
            made.append(Event(name, where, *_span(rng, kind, dates), _contrast(rng, kind)))
            free &= ~binary_dilation(where, np.ones((3, 3)), iterations=GAP_PX)
    return made


def _placed(rng: np.random.Generator, kind: ChangeKind, room: Mask) -> Mask | None:
    """The event's pixels, all of them in the room; none if there is no room for it."""
    spots = np.argwhere(room)
    area = float(np.exp(rng.uniform(*np.log(kind.area_px))))
    for _ in range(TRIES if len(spots) else 0):
        row, col = spots[rng.integers(len(spots))] + rng.random(2)
        where = (_turned if kind.shape == "turned" else _ragged)(rng, room, (row, col), area)
        if where.sum() >= max(LEAST_PX, area / 2):
            return where
    return None


def _turned(rng: np.random.Generator, room: Mask, centre: tuple[float, float], area: float) -> Mask:
    """A rectangle at any angle, as buildings and hulls are; empty unless the room holds it whole."""
    sides = float(rng.uniform(1, MOST_SIDES))
    size = np.array([[np.sqrt(area * sides), np.sqrt(area / sides)]])
    box = Rectangles(np.array([centre[::-1]]), size, rng.uniform(0, np.pi, 1))
    where = stamp(box, np.ones(1, np.uint8), (room.shape[0], room.shape[1])) > 0
    return where if not (where & ~room).any() else np.zeros_like(where)


def _ragged(rng: np.random.Generator, room: Mask, centre: tuple[float, float], area: float) -> Mask:
    """The connected piece around the centre of a blob with a rough rim, cut to the room, as clear-cuts and floods."""
    rows, cols = np.indices(room.shape) + 0.5
    radius = np.sqrt(area / np.pi)
    shape = (room.shape[0], room.shape[1])
    rim = 0.35 * fractal(rng, shape, scale_px=max(2 * float(radius), 4.0), slope=1.6)
    inside = (np.hypot(rows - centre[0], cols - centre[1]) / radius < 1 + rim) & room
    pieces, _ = label(inside)
    number = pieces[int(centre[0]), int(centre[1])]
    return np.asarray((pieces == number) & (number > 0))


def _span(rng: np.random.Generator, kind: ChangeKind, dates: int) -> tuple[int, int]:
    """First and last date; what does not stay begins after the first and is gone by the last date."""
    if kind.lasts is None:
        margin = int(dates * LATEST_SHARE)
        return int(rng.integers(margin, dates - margin)), dates - 1
    length = int(rng.integers(kind.lasts[0], kind.lasts[1] + 1))
    first = int(rng.integers(1, dates - length))
    return first, first + length - 1


def _contrast(rng: np.random.Generator, kind: ChangeKind) -> tuple[float, float]:
    """Signed decibels in VV and VH."""
    contrast = 0.0
    while not kind.limits_db[0] <= contrast <= kind.limits_db[1]:
        contrast = float(kind.median_db * np.exp(kind.spread * rng.standard_normal()))
    signed = contrast if rng.random() < kind.brighter else -contrast
    return signed, signed * float(rng.uniform(*CROSS_SHARE))
