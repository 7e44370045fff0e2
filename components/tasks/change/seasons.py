"""Fields and other ground that varies with the year: an alarm of REACTIV, but no change that anyone looks for.

Harmonic regression of the series in decibels (Jakubauskas et al. 2001 fit the same to vegetation indices). A field
rises and falls every year; what is built rises once. So the yearly curve must explain the series better than one step
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from components.errors import NotEnoughData
from components.raster.scene import Stack
from components.tasks.change.series import amplitudes

Float = NDArray[np.float64]
YEAR_DAYS = 365.2425
CHUNK = 16_384
WORST_CONDITION = 30.0  # of the yearly curves on the dates at hand: beyond, they cannot be told apart


@dataclass(frozen=True)
class Season:
    """When a series is called seasonal.

    ``explained`` is the share of the variance (dB) that the yearly curve with ``harmonics`` must explain, after the
    correction for the numbers of parameters and dates.
    """

    harmonics: int = 2
    explained: float = 0.4
    least_days: float = 1.5 * YEAR_DAYS

    @property
    def parameters(self) -> int:
        """Numbers that are fitted to a pixel."""
        return 1 + 2 * self.harmonics


def require_seasons(dates: Sequence[datetime], season: Season) -> None:
    """Nothing where the dates can show a season: long enough, and spread over the year.

    Raises:
        NotEnoughData: says what is missing.
    """
    span = (dates[-1] - dates[0]).total_seconds() / 86_400
    least = 3 * season.parameters
    if span < season.least_days or len(dates) < least:
        raise NotEnoughData(
            f"seasons need {season.least_days:.0f} days and {least} dates, found {span:.0f} days and {len(dates)} "
            "dates; give more dates, or mask fields with a land-cover map"
        )
    if np.linalg.cond(curve_of_year(dates, season)) > WORST_CONDITION:
        raise NotEnoughData(
            "seasons need dates over the whole year, found only some months of it; give dates of the other months, "
            "or mask fields with a land-cover map"
        )


def shows_seasons(dates: Sequence[datetime], season: Season) -> bool:
    """Whether the dates can show a season, see `require_seasons`."""
    try:
        require_seasons(dates, season)
    except NotEnoughData:
        return False
    return True


def seasonal(stack: Stack, where: NDArray[np.bool_], season: Season | None = None) -> NDArray[np.bool_]:
    """The pixels of ``where`` ``(row, col)`` that vary with the year more than they step.

    Raises:
        NotEnoughData: if the dates cannot show a season.
        UnitMismatch: if the stack is no radar image.
    """
    season = season or Season()
    require_seasons(stack.dates, season)
    out = np.zeros(where.shape, bool)
    rows, cols = np.nonzero(where)
    curves = curve_of_year(stack.dates, season)
    for begin in range(0, len(rows), CHUNK):
        row, col = rows[begin : begin + CHUNK], cols[begin : begin + CHUNK]
        amplitude = amplitudes(stack.array[:, :, row, col], stack.unit, stack.nodata)
        found = [
            _is_seasonal(20 * np.log10(band.astype(np.float64)), curves, season)
            for band in np.moveaxis(amplitude, 1, 0)
        ]
        out[row, col] = np.any(found, axis=0)
    return out


def _is_seasonal(level_db: Float, curves: Float, season: Season) -> NDArray[np.bool_]:
    """Of ``(time, pixel)``, by the dates that are seen."""
    seen = np.isfinite(level_db)
    count = seen.sum(axis=0)
    values = np.where(seen, level_db, 0)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    centred = np.where(seen, level_db - mean, 0)
    total = np.square(centred).sum(axis=0)
    free = np.maximum(count - season.parameters, 1)
    yearly = 1 - residual(centred, seen, curves) / np.maximum(total, 1e-12) * (count - 1) / free
    step = _step_gain(centred, seen) / np.maximum(total, 1e-12)
    enough = count >= 2 * season.parameters
    return np.asarray(enough & (yearly >= season.explained) & (yearly > step))


def residual(centred: Float, seen: NDArray[np.bool_], curves: Float) -> Float:
    """Squares that the yearly curves leave, ``(pixel)``; weighted least squares by the dates that are seen."""
    weight = seen.astype(np.float64)
    normal = np.einsum("ti,tj,tp->pij", curves, curves, weight, optimize=True)
    normal += 1e-9 * np.eye(curves.shape[1])
    right = np.einsum("ti,tp->pi", curves, centred)
    fitted = np.linalg.solve(normal, right[..., None])[..., 0]
    return np.asarray(np.square(centred).sum(axis=0) - (fitted * right).sum(axis=1))


def _step_gain(centred: Float, seen: NDArray[np.bool_]) -> Float:
    """Squares that the best single step explains, ``(pixel)``."""
    count, total = np.cumsum(seen, axis=0)[:-1].astype(np.float64), np.cumsum(centred, axis=0)[:-1]
    rest = seen.sum(axis=0) - count
    gain = total**2 / np.maximum(count, 1) + total**2 / np.maximum(rest, 1)
    return np.asarray(np.where((count > 0) & (rest > 0), gain, 0).max(axis=0))


def curve_of_year(dates: Sequence[datetime], season: Season) -> Float:
    """``(time, parameter)``: constant, cosines and sines of the year."""
    days = np.array([(date - dates[0]).total_seconds() / 86_400 for date in dates])
    angle = 2 * np.pi * days[:, None] / YEAR_DAYS * np.arange(1, season.harmonics + 1)
    return np.hstack([np.ones((len(dates), 1)), np.cos(angle), np.sin(angle)])
