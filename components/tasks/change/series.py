"""Numbers of each pixel's series of amplitudes: how many dates, how bright, how variable, brightest when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import UnitMismatch
from components.raster.scene import Stack, Unit

Float = NDArray[np.float32]
BLOCK = 1 << 16  # pixels of one band that are worked on at a time: they and the running sums stay in the cache


@dataclass(frozen=True)
class Moments:
    """``(band, row, col)`` over the dates that show the pixel; where none does: count 0 and NaN.

    ``peak`` is the largest amplitude and ``peak_date`` the index of its date (0 where there is none).
    """

    count: NDArray[np.int32]
    mean: Float
    deviation: Float
    peak: Float
    peak_date: NDArray[np.int32]

    @property
    def cv(self) -> Float:
        """Deviation (of the population) over mean; NaN where nothing was seen."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.deviation / self.mean, dtype=np.float32)


def amplitudes(values: NDArray[Any], unit: Unit, nodata: float | None = None) -> Float:
    """Numbers of any shape as amplitude, NaN where there is no (or no positive) number.

    Raises:
        UnitMismatch: if the unit is none of a radar image.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = _amplitude(values.astype(np.float32, copy=False), unit, nodata)
        return np.where((found > 0) & (found < np.inf), found, np.float32(np.nan))


def shown_amplitudes(values: NDArray[Any], unit: Unit, nodata: float | None = None) -> tuple[Float, NDArray[np.bool_]]:
    """Numbers of any shape as amplitude, 0 where there is no (or no positive) number, and where there is one.

    Raises:
        UnitMismatch: if the unit is none of a radar image.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = _amplitude(values.astype(np.float32, copy=False), unit, nodata)
        seen = (found > 0) & (found < np.inf)
    return found if seen.all() else np.where(seen, found, np.float32(0)), seen


def moments(stack: Stack) -> Moments:
    """The moments of amplitude, whatever the unit of the stack; no copy of the stack is made.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    _, bands, rows, cols = stack.array.shape
    pixels = rows * cols
    shape = (bands, pixels)
    count, peak_date = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    mean, deviation, peak = (np.full(shape, np.nan, np.float32) for _ in range(3))
    for band in range(bands):
        own = stack.array[:, band].reshape(-1, pixels)
        for block in _blocks(pixels):
            part = _moments(own[:, block], stack)
            count[band, block], peak_date[band, block] = part.count, part.peak_date
            mean[band, block], deviation[band, block], peak[band, block] = part.mean, part.deviation, part.peak
    full = (bands, rows, cols)
    means = mean.reshape(full), deviation.reshape(full), peak.reshape(full)
    return Moments(count.reshape(full), *means, peak_date.reshape(full))


def _moments(series: NDArray[Any], stack: Stack) -> Moments:
    """Of ``(time, pixel)`` in one pass by the updates of Welford (1962), which lose nothing to cancellation."""
    pixels = series.shape[1]
    count, when = np.zeros(pixels, np.int32), np.zeros(pixels, np.int32)
    mean, squares, peak = (np.zeros(pixels, np.float32) for _ in range(3))
    for date, stored in enumerate(series):
        values, seen = shown_amplitudes(stored, stack.unit, stack.nodata)
        count += seen
        step = np.multiply(values - mean, seen, dtype=np.float32)
        move = step / np.maximum(count, 1).astype(np.float32)
        mean += move
        squares += step * (step - move)
        # Larger of two rather than masked copies: speckle is a mask that no processor can predict.
        np.maximum(when, (values > peak) * np.int32(date), out=when)
        np.maximum(peak, values, out=peak)
    empty = count == 0
    deviation = np.sqrt(np.maximum(squares, 0) / np.maximum(count, 1)).astype(np.float32)
    for values in (mean, deviation, peak):
        values[empty] = np.nan
    return Moments(count, mean, deviation, peak, when)


def _amplitude(values: Float, unit: Unit, nodata: float | None) -> Float:
    if unit == "amplitude":
        found = values
    elif unit == "intensity":
        found = np.sqrt(values)
    elif unit == "db":
        found = np.power(np.float32(10), values * np.float32(0.05))
    else:
        raise UnitMismatch("series", "amplitude, intensity or db", unit)
    if nodata is None or np.isnan(nodata):
        return found
    return np.where(values == np.float32(nodata), np.float32(np.nan), found)


def _blocks(pixels: int) -> Iterator[slice]:
    for start in range(0, pixels, BLOCK):
        yield slice(start, min(start + BLOCK, pixels))
