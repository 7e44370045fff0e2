"""The stretch of dates that differs most from the rest of a pixel's series, by the likelihood of Gamma speckle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
# Beyond the true date of a change the log likelihood rises by an Exp(1) number at most, to each side (Siegmund 1988):
# both stay below this with 95 %.
WITHIN = 3.68
PIXELS = 4096  # that are worked on at a time: all stretches from one date then stay in the cache
PENALTY = 1.5  # times log(dates): what a second change point must gain over a step (Zhang and Siegmund 2007)


class Stretch(NamedTuple):
    """All ``(pixel)``: dates ``start`` to before ``stop`` differ from the others.

    ``gain`` is the logarithm of the likelihood ratio against a series without change, ``brighter`` says which way.
    ``earliest`` and ``latest`` bound the starts that the data do not tell apart from ``start`` (95 %).
    """

    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    gain: NDArray[np.float32]
    brighter: NDArray[np.bool_]
    earliest: NDArray[np.intp]
    latest: NDArray[np.intp]


@dataclass(frozen=True)
class Sums:
    """Numbers and sums of the dates before each date, ``(time + 1, band, pixel)``.

    ``count`` has one pixel where all pixels are seen on every date, which saves a third of the time.
    """

    count: NDArray[np.float32]
    total: Float

    def at(self, date: NDArray[np.intp]) -> Sums:
        """Those before one date a pixel, ``(band, pixel)``."""
        index = date[None, None]
        return Sums(np.take_along_axis(self.count, index, 0)[0], np.take_along_axis(self.total, index, 0)[0])

    def brighter(self, first: slice, last: slice) -> NDArray[np.bool_]:
        """Whether the dates between bounds are brighter than the others ``(stretch, pixel)``, all bands together."""
        inside, bright = self.count[last] - self.count[first], self.total[last] - self.total[first]
        outside, dark = self.count[-1] - inside, self.total[-1] - bright
        known = (inside > 0) & (outside > 0)
        ratio = np.maximum(bright, 1e-30) * np.maximum(outside, 1) / (np.maximum(dark, 1e-30) * np.maximum(inside, 1))
        return np.asarray(np.where(known, np.log(ratio), 0).sum(axis=1) > 0)


def differing(intensity: NDArray[np.float32], looks: tuple[float, ...]) -> Stretch:
    """The best stretch of ``(time, band, pixel)`` in intensity, NaN where a date has none; bands count together.

    A stretch that touches an end of the series is a step: it then runs from the change to the last date, whether the
    change made the pixel brighter or darker. A stretch that ends earlier has two changes and must explain that much
    more than the best step.
    """
    begins = range(0, max(intensity.shape[2], 1), PIXELS)
    parts = [_differing(intensity[:, :, begin : begin + PIXELS], looks) for begin in begins]
    return Stretch(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _differing(intensity: NDArray[np.float32], looks: tuple[float, ...]) -> Stretch:
    sums = sums_of(intensity)
    weight = np.asarray(looks, np.float32)[:, None]
    dates, pixels = intensity.shape[0], intensity.shape[2]
    gain = np.full(pixels, -np.inf, np.float32)
    start, stop = np.zeros(pixels, np.intp), np.full(pixels, dates, np.intp)
    cost = np.float32(PENALTY * np.log(dates))
    for first in range(1, dates):  # a stretch from date 0 is the rest of one that ends with the last date
        gains = gains_of(sums, weight, slice(first, first + 1), slice(first + 1, None))
        gains[:-1] -= cost
        last = gains.argmax(axis=0)
        best = np.take_along_axis(gains, last[None], axis=0)[0]
        better = best > gain
        start[better], stop[better], gain[better] = first, first + 1 + last[better], best[better]
    gain += np.where(stop < dates, cost, 0)
    earliest, latest = _bounds(sums, weight, stop, gain)
    return Stretch(start, stop, gain, _brighter(sums, start, stop), earliest, latest)


def sums_of(intensity: NDArray[np.float32]) -> Sums:
    """Of ``(time, band, pixel)`` in intensity, NaN where a date has none."""
    seen = np.isfinite(intensity)
    total = np.zeros((intensity.shape[0] + 1, *intensity.shape[1:]))
    shown = seen[..., :1] if seen.all() else seen
    count = np.zeros((len(total), *shown.shape[1:]), np.float32)
    np.cumsum(shown, axis=0, out=count[1:])
    np.cumsum(np.where(seen, intensity, 0), axis=0, dtype=np.float64, out=total[1:])
    return Sums(count, total)


def gains_of(sums: Sums, weight: NDArray[np.float32], first: slice, last: slice) -> NDArray[np.float32]:
    """Log likelihood ratios ``(stretch, pixel)`` of stretches between two sets of bounds; 0 for an empty one."""
    count, total = sums.count, sums.total
    inside, bright = count[last] - count[first], total[last] - total[first]
    outside, dark = count[-1] - inside, total[-1] - bright
    gains = _logs(count[-1], total[-1]) - _logs(inside, bright) - _logs(outside, dark)
    gains *= weight
    return np.asarray(np.where((inside > 0) & (outside > 0), gains, 0).sum(axis=1), dtype=np.float32)


def _logs(count: NDArray[np.float32], total: Float) -> NDArray[np.float32]:
    """Number times logarithm of the mean."""
    mean = np.maximum(total.astype(np.float32), np.float32(1e-30))
    mean /= np.maximum(count, 1)
    return np.asarray(np.multiply(np.log(mean, out=mean), count, out=mean))


def _bounds(
    sums: Sums, weight: NDArray[np.float32], stop: NDArray[np.intp], gain: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last start whose likelihood, with the end held, is within the 95 % limit of the best."""
    dates, pixels = sums.count.shape[0] - 1, stop.size
    ends = sums.at(stop)
    inside, bright = ends.count - sums.count[1:dates], ends.total - sums.total[1:dates]
    outside, dark = sums.count[-1] - inside, sums.total[-1] - bright
    gains = (_logs(sums.count[-1], sums.total[-1]) - _logs(inside, bright) - _logs(outside, dark)) * weight
    gains = np.where((inside > 0) & (outside > 0), gains, 0).sum(axis=1)
    near = (gains >= gain - WITHIN) & (np.arange(1, dates)[:, None] < stop)
    near[np.minimum(dates - 2, 0)] |= ~near.any(axis=0)
    first = near.argmax(axis=0) + 1
    last = dates - 1 - near[::-1].argmax(axis=0)
    return first.reshape(pixels), last.reshape(pixels)


def _brighter(sums: Sums, start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether most bands, each in its own logarithm, are brighter inside the stretch."""
    low, high = sums.at(start), sums.at(stop)
    inside, bright = high.count - low.count, high.total - low.total
    outside, dark = sums.count[-1] - inside, sums.total[-1] - bright
    known = (inside > 0) & (outside > 0)
    ratio = np.log(
        np.maximum(bright, 1e-30) * np.maximum(outside, 1) / (np.maximum(dark, 1e-30) * np.maximum(inside, 1))
    )
    return np.asarray(np.where(known, ratio, 0).sum(axis=0) > 0)
