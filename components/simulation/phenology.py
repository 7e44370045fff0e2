"""What stands on a field on a day: green, straw and bare soil by crop and calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulation.noise import Float, stream
from components.simulation.parcels import Parcels


@dataclass(frozen=True)
class Crop:
    """A crop's calendar in days of the year; ``after`` is the share of what it leaves that is straw."""

    name: str
    emerges: float
    ripens: float
    harvested: float
    green: float
    straw: float


# Usual dates of western Europe, rounded; a crop sown in autumn has emerged before the year begins.
CROPS = (
    Crop("meadow", -60, 500, 500, 0.86, 0.0),
    Crop("winter cereal", 40, 172, 200, 0.93, 0.85),
    Crop("rapeseed", 30, 166, 192, 0.95, 0.65),
    Crop("maize", 150, 248, 268, 0.93, 0.45),
    Crop("sunflower", 142, 226, 252, 0.84, 0.45),
    Crop("sugar beet", 138, 330, 300, 0.95, 0.10),
)
MEADOW = 0
MOWING_DAYS = 48.0


@dataclass(frozen=True)
class Season:
    """A day of the year, and the year whose crops stand on the fields."""

    day: float
    crop_year: int


@dataclass(frozen=True)
class Stand:
    """Ground shares 0..1 per field number: green crop, green grass, straw; the rest is bare soil."""

    crop: Float
    grass: Float
    straw: Float


def crops_of(seed: int, parcels: Parcels, year: int) -> NDArray[np.intp]:
    """Index into `CROPS` per field number; meadows stay, arable fields rotate from year to year."""
    lasting = stream(seed, "meadows")
    share = lasting.uniform(0.12, 0.4)
    weights = lasting.dirichlet(np.array([5.0, 2.0, 3.5, 1.2, 1.6]))
    is_meadow = lasting.random(parcels.count) < share
    arable = stream(seed, f"crops of {year}").choice(np.arange(1, len(CROPS)), size=parcels.count, p=weights)
    return np.where(is_meadow, MEADOW, arable)


def stand(seed: int, parcels: Parcels, season: Season) -> Stand:
    """What stands on every field of the territory on the day."""
    crop = crops_of(seed, parcels, season.crop_year)
    calendar = np.array([[c.emerges, c.ripens, c.harvested, c.green, c.straw] for c in CROPS], dtype=np.float32)
    emerges, ripens, harvested, most, leaves = calendar[crop].T
    day = np.float32(season.day) - parcels.shift_days
    growth = _rise(day - emerges - 25, 9) * (1 - _rise(day - ripens, 5))
    green = most * parcels.lush * growth
    since = day - harvested
    ripe = np.where(since < 0, most * (1 - growth) * (day > ripens - 15), 0)
    stubble = np.where((since >= 0) & (since < parcels.plough_days), leaves, 0)
    weeds = np.where(since >= 0, 0.35 * leaves * np.clip(since / 60, 0, 1) * (since < parcels.plough_days), 0)
    green = np.where(since >= 0, weeds, green)
    meadow = crop == MEADOW
    grass = np.where(meadow, _mown(parcels, day), 0)
    straw = np.where(meadow, 0.9 * (1 - grass), np.clip(ripe + stubble, 0, 1 - np.clip(green, 0, 1)))
    crop_share = np.where(meadow, 0, np.clip(green, 0, 1))
    return Stand(crop_share.astype(np.float32), grass.astype(np.float32), straw.astype(np.float32))


def leaf_cover(day: float) -> float:
    """Share of a broadleaf canopy that is in leaf."""
    return float(_rise(np.float32(day - 112), 6) * (1 - _rise(np.float32(day - 300), 8)))


def drought(day: float) -> float:
    """Dryness of wild grass, 0 in spring to 1 in late summer."""
    return float(np.exp(-np.square((day - 232) / 45)))


def _mown(parcels: Parcels, day: Float) -> Float:
    """Green share of meadows, low after each cut and grown again within weeks."""
    since = np.mod(day + parcels.plough_days * 3, MOWING_DAYS)
    return np.asarray(np.clip((0.92 - 0.5 * np.exp(-since / 9)) * parcels.lush, 0, 1), dtype=np.float32)


def _rise(days: Float | np.float32, width: float) -> Float:
    """From 0 to 1 around day 0 within a few times ``width`` days."""
    return np.asarray(1 / (1 + np.exp(-np.clip(days / np.float32(width), -30, 30))), dtype=np.float32)
