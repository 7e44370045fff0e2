"""From land cover, season and weather to C-band backscatter on flat ground, by linear mixing in intensity.

The numbers are rounded sigma nought in decibels at about 38 degrees as one reads them in calibrated Sentinel-1
scenes of temperate Europe: water mirrors the pulse away, canopies scatter in their volume and depolarise, soil
brightens with roughness and moisture, upright cereals dampen VV, walls and ground send VV back as a corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.simulation.landcover import Cover
from components.simulation.noise import Float, fractal, stream
from components.simulation.orientation import cross_alignment, long_axes, parallel, street_axes
from components.simulation.phenology import CROPS, MEADOW, Season, crops_of, leaf_cover, stand
from components.simulation.territory import Territory

POLARISATIONS = ("VV", "VH")
COVER_DB = {  # VV, VH, deviation of the fine texture
    Cover.FIELD: (-12.0, -19.0, 0.5),
    Cover.HEATH: (-12.0, -18.5, 1.2),
    Cover.BROADLEAF: (-9.0, -14.8, 0.9),
    Cover.CONIFER: (-10.0, -15.8, 0.9),
    Cover.RIVER: (-18.0, -26.0, 0.4),
    Cover.LAKE: (-20.0, -27.0, 0.4),
    Cover.GARDEN: (-8.5, -15.5, 2.2),
    Cover.BUILDING: (-3.5, -11.5, 3.5),
    Cover.ROAD: (-16.5, -24.0, 0.8),
    Cover.TRACK: (-13.5, -20.5, 0.8),
    Cover.CLEARCUT: (-11.0, -17.5, 1.5),
}
CANOPY_DB = {  # a closed stand of each crop: VV, VH
    "meadow": (-12.5, -19.0),
    "winter cereal": (-14.5, -20.0),
    "rapeseed": (-9.5, -14.5),
    "maize": (-9.5, -15.5),
    "sunflower": (-9.0, -15.0),
    "sugar beet": (-8.5, -14.5),
}
STRAW_DB, SOIL_DB = (-12.0, -20.5), (-12.5, -21.5)
CORNER_DB = (8.0, 6.0)  # a wall that faces the radar squarely
ROWS_DB = (3.5, 1.0)  # bare furrows that run along the flight
FLOOR = np.float32(10**-2.9)  # what is left of the thermal noise, intensity


@dataclass(frozen=True)
class Weather:
    """What differs from pass to pass: ``moisture`` of the soil and ``wind`` on the water (both -1..1), lake level."""

    moisture: float = 0.0
    wind: float = 0.0
    level_m: float = 0.0


def backscatter(land: Territory, season: Season, weather: Weather, look_azimuth: float) -> Float:
    """Sigma nought as intensity ``(2, row, col)``, VV and VH, of flat ground without speckle.

    ``look_azimuth`` is where the radar looks, radians from north to the east. How bright covers and crops are
    differs by a decibel or so from seed to seed: nobody knows it better for an unseen place.
    """
    decibels = _cover_db(land, season)
    _add_fields(decibels, land, season, weather, look_azimuth)
    _add_buildings(decibels, land, look_azimuth)
    _add_fire(decibels, land)
    _add_texture(decibels, land)
    _add_water(decibels, land, weather)
    return np.asarray(_intensity(decibels) + FLOOR, dtype=np.float32)


def _intensity(decibels: Float) -> Float:
    return np.asarray(np.power(np.float32(10), decibels / np.float32(10)), dtype=np.float32)


def _cover_db(land: Territory, season: Season) -> Float:
    """What each cover usually returns, decibels ``(2, row, col)``."""
    table = np.array([COVER_DB[cover][:2] for cover in Cover], dtype=np.float32)
    bare = np.float32(1 - leaf_cover(season.day))
    table[Cover.BROADLEAF] -= bare * np.array([0.6, 1.3], dtype=np.float32)  # twigs depolarise less than leaves
    rng = stream(land.seed, "radar covers")
    common = rng.normal(0, 0.9, len(Cover)).astype(np.float32)
    table += common[:, None] + rng.normal(0, 0.4, table.shape).astype(np.float32)
    return np.stack([table[:, band].take(land.cover) for band in range(len(POLARISATIONS))])


def _add_fields(decibels: Float, land: Territory, season: Season, weather: Weather, look_azimuth: float) -> None:
    """Canopy, straw and soil of every field, each with its own roughness and rows (in place)."""
    rng = stream(land.seed, f"radar fields of {season.crop_year}")
    count = land.parcels.count
    crop, stands = crops_of(land.seed, land.parcels, season.crop_year), stand(land.seed, land.parcels, season)
    green = np.where(crop == MEADOW, 0.25 + 0.75 * stands.grass, stands.crop)  # cut grass is still grass
    straw = np.minimum(stands.straw, 1 - green)
    canopy = np.array([CANOPY_DB[each.name] for each in CROPS], dtype=np.float32)
    canopy += stream(land.seed, "radar crops").normal(0, 0.8, canopy.shape).astype(np.float32)
    rough = rng.normal(0, 1.5, count).astype(np.float32)
    facing = parallel(long_axes(land.parcels.number, count), look_azimuth + np.pi / 2, width=np.radians(14))
    wet = np.float32(2.2 * weather.moisture) - np.float32(1.5) * (land.parcels.bright - np.float32(0.5))
    field = land.cover == Cover.FIELD
    number = land.parcels.number[field]
    fertile = np.float32(0.5) * np.clip(land.vigour[field], -3, 3)
    own = rng.normal(0, 1.0, (2, count)).astype(np.float32)
    for band in range(len(POLARISATIONS)):
        soil = np.float32(SOIL_DB[band]) + wet + rough * (1.0, 1.3)[band] + ROWS_DB[band] * facing
        parts = (
            (green, canopy[crop, band]),
            (straw, np.full(count, STRAW_DB[band], dtype=np.float32) + wet / 2),
            (1 - green - straw, soil),
        )
        mixed = sum(share * np.power(10, level / 10) for share, level in parts)
        whole = 10 * np.log10(np.maximum(mixed, 1e-4)) + own[band]
        decibels[band][field] = whole[number] + fertile


def _add_buildings(decibels: Float, land: Territory, look_azimuth: float) -> None:
    """Corners of wall and ground, brightest where the streets run along the flight or along the look (in place)."""
    built = np.isin(land.cover, (Cover.BUILDING, Cover.GARDEN))
    if not built.any():
        return
    streets = street_axes((land.cover == Cover.BUILDING) | (land.cover == Cover.ROAD))
    square = cross_alignment(streets[built], look_azimuth, width=np.radians(13))
    share = np.where(land.cover[built] == Cover.BUILDING, 1, 0.35).astype(np.float32)
    for band, corner in enumerate(CORNER_DB):
        decibels[band][built] += corner * share * square


def _add_fire(decibels: Float, land: Territory) -> None:
    """A burned canopy has lost its volume: VH falls more than VV (in place)."""
    decibels[0] -= np.float32(1.5) * land.severity
    decibels[1] -= np.float32(4.0) * land.severity


def _add_texture(decibels: Float, land: Territory) -> None:
    """What lies below the pixel size; not the texture that an optical sensor sees there (in place)."""
    amount = np.array([COVER_DB[cover][2] for cover in Cover], dtype=np.float32)[land.cover]
    rng = stream(land.seed, "radar texture")
    both = fractal(rng, land.shape, scale_px=float(rng.uniform(2.0, 8.0)), slope=float(rng.uniform(0.5, 1.3)))
    for band in range(len(POLARISATIONS)):
        alone = fractal(rng, land.shape, scale_px=3.0, slope=0.7)
        decibels[band] += amount * (np.float32(0.85) * both + np.float32(0.53) * alone)


def _add_water(decibels: Float, land: Territory, weather: Weather) -> None:
    """Water as rough as the wind makes it; the dry rim of a lake is mud (in place)."""
    usual = np.array([[-20.0], [-27.5]], dtype=np.float32) + np.float32(weather.wind) * np.array(
        [[4.0], [2.0]], dtype=np.float32
    )
    row, col = np.nonzero(land.cover == Cover.RIVER)
    decibels[:, row, col] = usual
    row, col = np.nonzero(land.cover == Cover.LAKE)
    wet = np.clip((land.terrain.stage_m[row, col] + np.float32(weather.level_m)) * 2 + 0.5, 0, 1)
    mud = np.array(SOIL_DB, dtype=np.float32)[:, None]
    decibels[:, row, col] = wet * usual + (1 - wet) * mud
