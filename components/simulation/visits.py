"""When and how the satellite comes by: what differs between two dates without any change on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from components.simulation.noise import stream
from components.simulation.phenology import Season
from components.simulation.sensor import Optics
from components.simulation.spectra import BANDS

YEAR = 2021
OVERPASS = timedelta(hours=10, minutes=50)  # UTC, as Sentinel-2 passes over the zone


@dataclass(frozen=True)
class Nuisance:
    """How much may differ between two dates without anything having changed: limits of what is drawn.

    Attributes:
        season_days: greatest distance in the day of the year.
        rotation: whether arable fields carry another crop in the second year.
        level_m: greatest change of the lakes' water level in metres.
        haze: densest path reflectance in the blue band.
        gain: deviation of each band's gain from 1.
        offset: deviation of each band's offset from 0, reflectance.
        noise: deviation of the sensor noise at reflectance 0.2.
        shift_px: greatest misregistration of the second date, pixels.
        blur: whether the sensor has a point spread.
    """

    season_days: float = 50.0
    rotation: bool = True
    level_m: float = 1.2
    haze: float = 0.045
    gain: float = 0.03
    offset: float = 0.004
    noise: float = 0.006
    shift_px: float = 1.0
    blur: bool = True

    @classmethod
    def none(cls) -> Nuisance:
        """Two dates that differ by the true changes alone."""
        return cls(0.0, False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False)


@dataclass(frozen=True)
class Visit:
    """The conditions of one acquisition."""

    season: Season
    acquired: datetime
    level_m: float
    optics: Optics


def visits(seed: int, nuisance: Nuisance) -> tuple[Visit, Visit]:
    """The conditions of both acquisitions."""
    rng = stream(seed, "acquisitions")
    day = int(rng.integers(135, 255))
    later = int(np.clip(day + round(nuisance.season_days * rng.uniform(-1, 1)), 110, 285))
    radius, heading = nuisance.shift_px * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    shift = (float(radius * np.sin(heading)), float(radius * np.cos(heading)))
    later_year = YEAR + 1 if nuisance.rotation else YEAR
    if not nuisance.season_days:
        later = day
    return (
        _visit(rng, nuisance, Season(day, YEAR), YEAR, (0.0, 0.0)),
        _visit(rng, nuisance, Season(later, later_year), YEAR + 1, shift),
    )


def _visit(
    rng: np.random.Generator, nuisance: Nuisance, season: Season, year: int, shift_px: tuple[float, float]
) -> Visit:
    optics = Optics(
        shift_px=shift_px,
        haze=float(nuisance.haze * rng.random()),
        gain=(1 + nuisance.gain * rng.standard_normal(len(BANDS))).astype(np.float32),
        offset=(nuisance.offset * rng.standard_normal(len(BANDS))).astype(np.float32),
        noise=nuisance.noise,
        blurred=nuisance.blur,
    )
    acquired = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=season.day - 1) + OVERPASS
    return Visit(season, acquired, float(nuisance.level_m * rng.uniform(-1, 1)), optics)
