"""Radar series on a whole territory: changes of every grade among what varies without having changed.

What the truth calls change is what differs from the same ground without the event. Not change, although it varies:
crops, ploughing and leaves (the calendar of `phenology`), rain that brightens the whole scene on a date, wind on
water, and the side lobes of bright stable points, which move with the sub-pixel errors of registration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from components.raster.scene import Class, Scene, Stack
from components.simulation import optical
from components.simulation.backscatter import Weather, backscatter
from components.simulation.graded_changes import ChangeKind, Event, Ground, Mask, events
from components.simulation.landcover import BUILT_UP, FOREST, OPEN, Cover, among
from components.simulation.noise import Float, fractal, stream
from components.simulation.phenology import Season
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
LOOK_AZIMUTH = float(np.radians(282.0))  # a descending orbit
RAIN_SHARE = {"open": 1.0, "built-up": 0.5, "forest": 0.5}  # canopies and walls hide the soil
RAIN_VH = 0.7  # moisture changes the return of the surface more than that of volumes
SIDELOBES_PX = 9  # beyond, the response of a point is below usual ground


class Confusers(BaseModel):
    """What varies and is no change, as `dataset.yaml` declares it.

    On a share ``wet_dates`` of the dates rain brightens open land by ``rain_db`` in VV; ``wind`` is the most that the
    wind of a date differs from the usual, 1 being 4 dB in VV, and ``gust_db`` the deviation of its streaks; ``points``
    stable targets of ``peak_db`` (absolute) move by ``jitter_px`` (deviation) from date to date; ``lake_share`` of the
    place is open water.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wet_dates: float = Field(0.3, ge=0, le=1)
    rain_db: tuple[float, float] = (1.0, 2.0)
    wind: float = Field(0.5, ge=0, le=1)
    gust_db: float = Field(1.0, ge=0)
    points: int = Field(8, ge=0)
    peak_db: tuple[float, float] = (5.0, 18.0)
    jitter_px: float = Field(0.08, ge=0, le=0.5)
    lake_share: float = Field(0.10, gt=0, lt=0.5)


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
    land = _with_lake(territory(seed, shape), confusers.lake_share)
    unchanged = np.stack([_seen_on(land, date, index, confusers) for index, date in enumerate(when)])
    near = _add_points(unchanged, land, confusers)
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


def _with_lake(land: Territory, share: float) -> Territory:
    """The territory with a lake of irregular shore, so that every place has room for boats."""
    basin = fractal(stream(land.seed, "change series lake"), land.shape, scale_px=90.0, slope=2.6)
    basin += np.linspace(-2, 2, land.shape[1], dtype=np.float32)  # towards the east: one lake rather than many ponds
    cover = land.cover.copy()
    cover[basin > np.quantile(basin, 1 - share)] = Cover.RIVER  # a lake of the territory falls dry at its rim
    return replace(land, cover=cover)


def _seen_on(land: Territory, date: datetime, index: int, confusers: Confusers) -> Float:
    """Reflectivity ``(band, row, col)`` of a date before anything changes: season, rain and wind."""
    rng = stream(land.seed, f"change series weather {index}")
    ground = backscatter(land, Season(date.timetuple().tm_yday, date.year), _weather(rng, confusers.wind), LOOK_AZIMUTH)
    rain = float(rng.uniform(*confusers.rain_db)) if rng.random() < confusers.wet_dates else 0.0
    wetness = np.zeros(land.shape, np.float32)
    for name, covers in (("open", OPEN), ("forest", FOREST), ("built-up", BUILT_UP)):
        wetness[among(land.cover, covers)] = RAIN_SHARE[name]
    gusts = np.float32(confusers.gust_db) * fractal(rng, land.shape, scale_px=16.0, slope=1.6)
    gusts[~_water(land)] = 0
    both = np.array([1, RAIN_VH], np.float32)[:, None, None] * np.float32(rain) * wetness + gusts
    return np.asarray(ground * np.power(np.float32(10), both / 10), np.float32)


def _weather(rng: np.random.Generator, most_wind: float) -> Weather:
    """The wind of a date; rain is a term of its own."""
    return Weather(wind=most_wind * float(rng.uniform(-1, 1)))


def _water(land: Territory) -> Mask:
    return among(land.cover, (Cover.RIVER, Cover.LAKE))


def _add_points(series: Float, land: Territory, confusers: Confusers) -> Mask:
    """Bright points with side lobes (in place); true ``(row, col)`` where they outshine a tenth of the ground."""
    rng = stream(land.seed, "bright points")
    shifts = rng.normal(0, confusers.jitter_px, (len(series), 2))
    near = np.zeros(land.shape, bool)
    spots = np.argwhere(~_water(land))
    for row, col in spots[rng.integers(len(spots), size=confusers.points)] + rng.uniform(0, 1, (confusers.points, 2)):
        peak = np.power(10, (rng.uniform(*confusers.peak_db) + np.array([0.0, -7.0])) / 10)
        for date, (down, right) in enumerate(shifts):
            response = np.outer(_response(land.shape[0], row + down), _response(land.shape[1], col + right))
            series[date] += (peak[:, None, None] * np.square(response)).astype(np.float32)
            near |= peak[0] * np.square(response) > 0.1 * series[date, 0]
    return near


def _response(size: int, centre: float) -> NDArray[np.float64]:
    """Amplitude of a point along one axis: a tapered sinc, side lobes 15 dB down and falling."""
    away = np.arange(size) + 0.5 - centre
    taper = np.where(np.abs(away) < SIDELOBES_PX, np.cos(np.pi * away / (2 * SIDELOBES_PX)) ** 2, 0)
    return np.asarray(np.sinc(away / 1.3) * taper)  # 13 m pixels of resolution on a 10 m grid


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
    kind[land.cover == Cover.FIELD], kind[_water(land)] = FIELD, WATER
    kind[near] = POINT
    span = np.full((2, *land.shape), -1, np.int16)
    contrast = np.zeros((2, *land.shape), np.float32)
    for event in happened:
        kind[event.where] = CHANGES[event.name]
        span[:, event.where] = [[event.first], [event.last]]
        contrast[:, event.where] = np.array(event.contrast_db, np.float32)[:, None]
    return kind, span, contrast
