"""What varies in a radar series although nothing changes: seasons, rain, wind on water, side lobes of bright points."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from components.simulation.backscatter import Weather, backscatter
from components.simulation.graded_changes import Mask
from components.simulation.landcover import BUILT_UP, FOREST, OPEN, Cover, among
from components.simulation.noise import Float, fractal, stream
from components.simulation.phenology import Season
from components.simulation.territory import Territory

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


def with_lake(land: Territory, share: float) -> Territory:
    """The territory with a lake of irregular shore, so that every place has room for boats."""
    basin = fractal(stream(land.seed, "change series lake"), land.shape, scale_px=90.0, slope=2.6)
    basin += np.linspace(-2, 2, land.shape[1], dtype=np.float32)  # towards the east: one lake rather than many ponds
    cover = land.cover.copy()
    cover[basin > np.quantile(basin, 1 - share)] = Cover.RIVER  # a lake of the territory falls dry at its rim
    return replace(land, cover=cover)


def seen_on(land: Territory, date: datetime, index: int, confusers: Confusers) -> Float:
    """Reflectivity ``(band, row, col)`` of a date before anything changes: season, rain and wind."""
    rng = stream(land.seed, f"change series weather {index}")
    ground = backscatter(land, Season(date.timetuple().tm_yday, date.year), _weather(rng, confusers.wind), LOOK_AZIMUTH)
    rain = float(rng.uniform(*confusers.rain_db)) if rng.random() < confusers.wet_dates else 0.0
    wetness = np.zeros(land.shape, np.float32)
    for name, covers in (("open", OPEN), ("forest", FOREST), ("built-up", BUILT_UP)):
        wetness[among(land.cover, covers)] = RAIN_SHARE[name]
    gusts = np.float32(confusers.gust_db) * fractal(rng, land.shape, scale_px=16.0, slope=1.6)
    gusts[~water(land)] = 0
    both = np.array([1, RAIN_VH], np.float32)[:, None, None] * np.float32(rain) * wetness + gusts
    return np.asarray(ground * np.power(np.float32(10), both / 10), np.float32)


def _weather(rng: np.random.Generator, most_wind: float) -> Weather:
    """The wind of a date; rain is a term of its own."""
    return Weather(wind=most_wind * float(rng.uniform(-1, 1)))


def water(land: Territory) -> Mask:
    """True ``(row, col)`` on rivers and lakes."""
    return among(land.cover, (Cover.RIVER, Cover.LAKE))


def add_points(series: Float, land: Territory, confusers: Confusers) -> Mask:
    """Bright points with side lobes (in place); true ``(row, col)`` where they outshine a tenth of the ground."""
    rng = stream(land.seed, "bright points")
    shifts = rng.normal(0, confusers.jitter_px, (len(series), 2))
    near = np.zeros(land.shape, bool)
    spots = np.argwhere(~water(land))
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
