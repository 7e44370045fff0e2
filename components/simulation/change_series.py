"""Radar series on a whole territory: changes of every grade among what varies without having changed.

What the truth calls change is what differs from the same ground without the event. Not change, although it varies:
crops, ploughing and leaves (the calendar of `phenology`), rain that brightens the whole scene on a date, wind on
water, and the side lobes of bright stable points, which move with the sub-pixel errors of registration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Class, Scene, Stack
from components.simulation import optical
from components.simulation.confusers import Confusers, add_points, seen_on, water, with_lake
from components.simulation.graded_changes import ChangeKind, Event, Ground, Mask, events
from components.simulation.landcover import FOREST, OPEN, Cover, among
from components.simulation.noise import Float, stream
from components.simulation.radar_series import BANDS, SERIES_CLASSES, SPACING_DAYS, SPAN
from components.simulation.speckle import Speckle, speckle
from components.simulation.territory import Territory, territory

FIELD = 4
CHANGES = {"construction": 1, "boat": 2, "flood": 3, "machines": 5, "clear-cut": 6}
WATER, POINT = 7, 8
CLASSES = (
    *SERIES_CLASSES,
    Class(CHANGES["machines"], "machines", (255, 127, 14)),
    Class(CHANGES["clear-cut"], "clear-cut", (140, 86, 75)),
    Class(WATER, "water", (23, 190, 207)),
    Class(POINT, "bright point", (227, 119, 194)),
)
START = datetime(2022, 1, 5, 5, 40, tzinfo=UTC)


@dataclass(frozen=True)
class ChangeSeries:
    """A series in linear intensity and its exact truth.

    ``kind`` holds codes of `CLASSES`, ``span`` the index of the first and last date of a change (-1: none),
    ``contrast`` how much it brightens the ground in VV and VH, decibels (0: none). ``reflectivity``
    ``(time, band, row, col)`` is the series without speckle, ``unchanged`` the same without the changes.
    """

    stack: Stack
    reflectivity: Float
    unchanged: Float
    kind: Scene
    span: Scene
    contrast: Scene


def change_series(
    seed: int,
    shape: tuple[int, int],
    kinds: Mapping[str, ChangeKind],
    confusers: Confusers,
    *,
    dates: int,
    seen: Speckle,
) -> ChangeSeries:
    """A series of VV and VH, 12 days apart from January 2022 on; one seed gives the same bytes.

    Raises:
        ValueError: if a kind is none of `CHANGES`, there are fewer than 10 dates, or a side is below 64 px.
    """
    if unknown := sorted(set(kinds) - set(CHANGES)):
        raise ValueError(f"no such kind of change: {', '.join(unknown)}; there are {', '.join(CHANGES)}")
    if dates < 10:
        raise ValueError(f"a series needs 10 dates, got {dates}")
    when = tuple(START + timedelta(days=SPACING_DAYS * index) for index in range(dates))
    land = with_lake(territory(seed, shape), confusers.lake_share)
    unchanged = np.stack([seen_on(land, date, index, confusers) for index, date in enumerate(when)])
    near = add_points(unchanged, land, confusers)
    happened = events(stream(seed, "graded changes"), kinds, _grounds(land, near), dates)
    clean = unchanged.copy()
    for event in happened:
        factor = np.power(10, np.array(event.contrast_db, np.float32) / 10)
        clean[event.first : event.last + 1, :, event.where] *= factor[:, None]
    noisy = clean * speckle(stream(seed, "change series speckle"), clean.shape, seen)
    kind, span, contrast = _truth(land, near, happened)
    grid = optical.place(seed, shape)
    return ChangeSeries(
        Stack(noisy, grid, BANDS, "intensity", when, float("nan"), "1"),
        clean,
        unchanged,
        Scene(kind[None], grid, ("kind",), "class", 255, when[-1], CLASSES),
        Scene(span, grid, SPAN, "1", None, when[-1]),
        Scene(contrast, grid, BANDS, "db", None, when[-1]),
    )


def _grounds(land: Territory, near: Mask) -> dict[Ground, Mask]:
    """Where what may change: no event lies on the response of a bright point."""
    return {
        "open": among(land.cover, OPEN) & ~near,
        "forest": among(land.cover, FOREST) & ~near,
        "water": (land.cover == Cover.RIVER) & ~near,
    }


def _truth(
    land: Territory, near: Mask, happened: Sequence[Event]
) -> tuple[NDArray[np.uint8], NDArray[np.int16], Float]:
    """Kind ``(row, col)``, span and contrast ``(2, row, col)``."""
    kind = np.zeros(land.shape, np.uint8)
    kind[land.cover == Cover.FIELD], kind[water(land)] = FIELD, WATER
    kind[near] = POINT
    span = np.full((2, *land.shape), -1, np.int16)
    contrast = np.zeros((2, *land.shape), np.float32)
    for event in happened:
        kind[event.where] = CHANGES[event.name]
        span[:, event.where] = [[event.first], [event.last]]
        contrast[:, event.where] = np.array(event.contrast_db, np.float32)[:, None]
    return kind, span, contrast
