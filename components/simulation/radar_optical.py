"""A Sentinel-1-like and a Sentinel-2-like scene of one place, exactly aligned, seen on unlike days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from components.raster.scene import Scene
from components.simulation.backscatter import POLARISATIONS, Weather
from components.simulation.changes import changed
from components.simulation.landcover import BROAD_CLASSES, broad
from components.simulation.noise import Float, stream
from components.simulation.optical import place
from components.simulation.phenology import Season
from components.simulation.radar import Look, radar
from components.simulation.sensor import Optics, observe
from components.simulation.spectra import BANDS
from components.simulation.sunlight import lit, sun
from components.simulation.surface import reflectance
from components.simulation.terrain import slope
from components.simulation.territory import PIXEL_SIZE_M, Territory, territory
from components.simulation.visits import OVERPASS, YEAR

DATES = (1, 1, 3, 6, 12, 24)  # acquisitions that are averaged: from a single scene to a year
BUILT_BETWEEN = 0.4  # share of places where something was built, felled or burned between the scenes
NAN = float("nan")


@dataclass(frozen=True)
class RadarOptical:
    """``reference`` (intensity, VV VH), ``moving`` (reflectance, ten bands), ``height`` (m) and ``cover`` on one grid.

    ``cover`` holds the land cover under the reference, in codes of `landcover.BROAD_CLASSES`.

    Nothing is displaced: what a training needs of displacement it makes itself. ``look`` says where the
    radar looked from, along which relief would displace it.
    """

    reference: Scene
    moving: Scene
    height: Scene
    cover: Scene
    look: Look


def radar_optical(seed: int, shape: tuple[int, int] = (256, 256), *, look: Look | None = None) -> RadarOptical:
    """Both views of a place ``(2, row, col)`` and ``(10, row, col)``, float32, 10 m pixels in EPSG:32631.

    Days of the year, crop years, weather, haze, radiometry, orbit, looks and number of averaged dates are drawn from
    the seed; ``look`` overrides the last three. One seed gives the same bytes.

    Raises:
        ValueError: if the seed is negative or a side is shorter than 64 px.
    """
    rng = stream(seed, "radar and optical")
    drawn = _look(rng)
    seasons = [Season(float(rng.integers(*days)), YEAR + int(rng.integers(2))) for days in ((1, 366), (75, 305))]
    weathers = [Weather(*rng.uniform(-1, 1, 3)) for _ in seasons]
    optics = _optics(rng)
    land = territory(seed, shape)
    later = changed(land).territory if rng.random() < BUILT_BETWEEN else land
    first, second = (land, later) if rng.random() < 0.5 else (later, land)
    chosen, grid = look or drawn, place(seed, shape)
    hour = timedelta(hours=6 if chosen.orbit == "descending" else 18)
    seen = radar(first, seasons[0], weathers[0], chosen)
    latitude = float(np.radians(grid.bounds[1] / 111_000))
    photograph = _photograph(second, seasons[1], weathers[1], optics, latitude)
    height = Scene(land.terrain.height_m[None], grid, ("height",), "m", NAN)
    return RadarOptical(
        Scene(seen, grid, POLARISATIONS, "intensity", NAN, _date(seasons[0], hour)),
        Scene(photograph, grid, BANDS, "reflectance", NAN, _date(seasons[1], OVERPASS)),
        height,
        Scene(broad(first.cover)[None], grid, ("class",), "class", 255, classes=BROAD_CLASSES),
        chosen,
    )


def _look(rng: np.random.Generator) -> Look:
    """An orbit, an angle within the swath, and how many dates are averaged."""
    return Look(
        orbit="ascending" if rng.random() < 0.5 else "descending",
        incidence_deg=float(rng.uniform(31, 45)),
        looks=float(rng.uniform(3.4, 4.9)),
        dates=int(rng.choice(DATES)),
        blur_px=float(rng.uniform(0.6, 0.95)),
    )


def _optics(rng: np.random.Generator) -> Optics:
    """A sensor in its place: haze and radiometry vary, the position does not."""
    return Optics(
        shift_px=(0.0, 0.0),
        haze=float(0.06 * rng.random()),
        gain=(1 + 0.04 * rng.standard_normal(len(BANDS))).astype(np.float32),
        offset=(0.004 * rng.standard_normal(len(BANDS))).astype(np.float32),
        noise=float(rng.uniform(0.003, 0.009)),
        blurred=True,
    )


def _photograph(land: Territory, season: Season, weather: Weather, optics: Optics, latitude: float) -> Float:
    ground = reflectance(land, season, weather.level_m)
    ground *= lit(slope(land.terrain.height_m, PIXEL_SIZE_M), *sun(season.day, latitude))
    return observe(ground, optics, stream(land.seed, "optical beside radar"))


def _date(season: Season, hour: timedelta) -> datetime:
    return datetime(season.crop_year, 1, 1, tzinfo=UTC) + timedelta(days=season.day - 1) + hour
