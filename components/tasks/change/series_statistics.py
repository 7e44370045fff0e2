"""What a learnt method is told of each pixel's series: statistics that mean the same for any looks and any dates.

Excess of the coefficient of variation (REACTIV), the omnibus statistic, likelihood gains of one step and of stretches
of 1, 2, 4 and 8 dates (brighter and darker apart), and what a yearly curve explains and leaves. No brightness: a
network should not learn what the simulated land looks like.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Stack
from components.tasks.change.omnibus import stability
from components.tasks.change.reactiv import require_dates
from components.tasks.change.reactiv_theory import LEAST_DATES, stable
from components.tasks.change.seasons import Season, curve_of_year, residual, shows_seasons
from components.tasks.change.segments import Sums, gains_of, sums_of
from components.tasks.change.series import amplitudes, moments

Float = NDArray[np.float32]
LENGTHS = (1, 2, 4, 8)
SEASON = Season(1, least_days=270.0)
CHUNK = 16_384
SMALLEST = 1e-30  # p-values below say no more


def channels_of(bands: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the channels of `statistics`, in their order."""
    stretches = [f"{way} {name}" for name in ("step", *(f"stretch {n}" for n in LENGTHS)) for way in ("up", "down")]
    return (*(f"cv {band}" for band in bands), "omnibus", *stretches, "yearly", "beside the year")


def statistics(stack: Stack, looks: tuple[float, ...]) -> tuple[Float, NDArray[np.bool_]]:
    """Channels ``(channel, row, col)``, compressed by sign(x) log(1 + abs(x)), and where there are enough dates.

    Both yearly channels are 0 for a series whose dates cannot show a season. All are 0 where no band has
    `LEAST_DATES` dates.

    Raises:
        NotEnoughData: if the stack has fewer than `LEAST_DATES` dates.
        UnitMismatch: if it is no radar image.
    """
    require_dates(stack)
    found = moments(stack)
    enough = found.count >= LEAST_DATES
    tables = [stable(each, len(stack.dates)) for each in looks]
    means, deviations = (np.stack([getattr(t, name) for t in tables]) for name in ("mean", "deviation"))
    band = np.arange(len(looks))[:, None, None]
    excess = (found.cv - means[band, found.count]) / deviations[band, found.count]
    p_value = stability(stack, looks)
    surprise = -np.log(np.clip(np.nan_to_num(p_value, nan=1.0), SMALLEST, 1))
    valid: NDArray[np.bool_] = np.asarray(enough.any(axis=0))
    told = np.concatenate([np.where(enough, excess, 0), surprise[None], _of_pixels(stack, looks)])
    told = np.where(valid, np.sign(told) * np.log1p(np.abs(told)), 0)
    return told.astype(np.float32), valid


def _of_pixels(stack: Stack, looks: tuple[float, ...]) -> Float:
    """Gains and yearly channels ``(channel, row, col)``, some pixels at a time."""
    dates, bands, rows, cols = stack.array.shape
    series = stack.array.reshape(dates, bands, rows * cols)
    curves = curve_of_year(stack.dates, SEASON) if shows_seasons(stack.dates, SEASON) else None
    parts = []
    for begin in range(0, rows * cols, CHUNK):
        own = amplitudes(series[:, :, begin : begin + CHUNK], stack.unit, stack.nodata)
        parts.append(np.concatenate([_gains(sums_of(np.square(own)), looks), _yearly(own, curves)]))
    return np.concatenate(parts, axis=1).reshape(-1, rows, cols)


def _gains(sums: Sums, looks: tuple[float, ...]) -> Float:
    """Roots of the best gains ``(channel, pixel)`` of one step and of each length, brighter and darker apart."""
    weight = np.asarray(looks, np.float32)[:, None]
    dates = len(sums.count) - 1
    bounds = [(slice(1, dates), slice(dates, dates + 1))]
    bounds += [(slice(0, dates + 1 - n), slice(n, dates + 1)) for n in LENGTHS if n < dates]
    found = []
    for first, last in bounds:
        gains = np.maximum(gains_of(sums, weight, first, last), 0)
        up = sums.brighter(first, last)
        found += [np.where(up, gains, 0).max(axis=0), np.where(up, 0, gains).max(axis=0)]
    found += [np.zeros_like(found[0])] * (2 * (1 + len(LENGTHS)) - len(found))
    return np.asarray(np.sqrt(np.stack(found)), np.float32)


def _yearly(amplitude: Float, curves: NDArray[np.float64] | None) -> Float:
    """``(2, pixel)``: likelihood gain of a yearly curve (its root), and the decibels that it leaves; the most of bands.

    ``amplitude`` is ``(time, band, pixel)``.
    """
    if curves is None:
        return np.zeros((2, amplitude.shape[2]), np.float32)
    explained, left = [], []
    for band in np.moveaxis(20 * np.log10(amplitude.astype(np.float64)), 1, 0):
        seen = np.isfinite(band)
        count = np.maximum(seen.sum(axis=0), 1)
        centred = np.where(seen, band - np.where(seen, band, 0).sum(axis=0) / count, 0)
        total = np.square(centred).sum(axis=0)
        rest = np.clip(residual(centred, seen, curves), 1e-9, None)
        explained.append(count / 2 * np.log(np.maximum(total, 1e-9) / np.minimum(rest, np.maximum(total, 1e-9))))
        left.append(np.sqrt(rest / count))
    return np.stack([np.sqrt(np.max(explained, axis=0)), np.max(left, axis=0)]).astype(np.float32)
