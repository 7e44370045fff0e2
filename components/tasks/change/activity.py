"""What happens at a changed pixel over a period: against which background, how often, from when to when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from components.raster.scene import Class, Scene, Stack
from components.tasks.change.reactiv import Detection, require_dates
from components.tasks.change.reactiv_dating import days_of
from components.tasks.change.reactiv_theory import LEAST_DATES, cv_mean
from components.tasks.change.series import amplitudes

QUIET, NEW, GONE = range(3)
EVENT_CLASSES = (
    Class(QUIET, "neither", (60, 60, 60)),
    Class(NEW, "new event", (214, 39, 40)),
    Class(GONE, "disappeared", (31, 119, 180)),
)
RATIO = 0.5
ACTIVITY = ("active_dates", "seen_dates", "first_day", "last_day")


@dataclass(frozen=True)
class Background:
    """Amplitude ``(band, row, col)`` of a pixel while nothing bright is there, and the number of dates it rests on."""

    amplitude: NDArray[np.float32]
    dates: NDArray[np.int32]


def frozen_background(stack: Stack, looks: tuple[float, ...]) -> Background:
    """The mean of the darkest dates of each pixel, as many as vary no more than speckle does.

    Amplitudes are sorted, and the longest beginning whose coefficient of variation stays below the theoretical one is
    averaged. Bright events (ships, cranes, buildings) leave; a flood does not, for it is dark: it becomes the
    background where it lasts. On pure speckle the brightest dates leave as well in half of all pixels, so the
    background is 1 % to 2 % too dark.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    _, bands, rows, cols = stack.array.shape
    amplitude, dates = np.full((bands, rows, cols), np.nan, np.float32), np.zeros((bands, rows, cols), np.int32)
    for band in range(bands):
        limit = cv_mean(looks[band])
        for row in range(rows):
            values = amplitudes(stack.array[:, band, row], stack.unit, stack.nodata)
            amplitude[band, row], dates[band, row] = _frozen(values, limit)
    return Background(amplitude, dates)


def events(before: Detection, after: Detection, ratio: float = RATIO) -> NDArray[np.uint8]:
    """Codes of `EVENT_CLASSES` ``(row, col)`` from two periods of one series.

    New where the pixel varied less than ``ratio`` times as much before, gone the other way round; and only where it
    varies more than speckle in the period that it is said to be active in.
    """
    with np.errstate(invalid="ignore"):
        first, second = (_largest(each) for each in (before, after))
        new, gone = (first < ratio * second) & after.changed, (second < ratio * first) & before.changed
    return np.where(new, NEW, np.where(gone, GONE, QUIET)).astype(np.uint8)


def activity(
    stack: Stack, background: Background, looks: tuple[float, ...], where: NDArray[np.bool_], *, false_alarms: float
) -> Scene:
    """Bands `ACTIVITY` ``(4, row, col)`` float32 over the period of the stack, NaN outside ``where``.

    A date is active where a band is brighter than the background by more than speckle explains. ``false_alarms`` is
    the share of stable pixels that may be called active at any date; each date and band takes its part of it. Days
    count from the first date; they are NaN where no date is active.

    Raises:
        NotEnoughData: if there are fewer than `LEAST_DATES` dates.
        UnitMismatch: if the stack is no radar image.
    """
    require_dates(stack, LEAST_DATES)
    rows, cols = np.nonzero(where)
    out = np.full((len(ACTIVITY), *where.shape), np.nan, np.float32)
    amplitude = amplitudes(stack.array[:, :, rows, cols], stack.unit, stack.nodata)
    limits = _limits(background, looks, where, false_alarms / max(amplitude.shape[0] * amplitude.shape[1], 1))
    with np.errstate(invalid="ignore"):
        active = np.asarray((amplitude > limits).any(axis=1))
    seen = np.isfinite(amplitude).any(axis=1)
    days = days_of(stack.dates).astype(np.float32)
    found = np.asarray(active.any(axis=0))
    out[0, rows, cols], out[1, rows, cols] = active.sum(axis=0), seen.sum(axis=0)
    out[2, rows, cols] = np.where(found, days[active.argmax(axis=0)], np.nan)
    out[3, rows, cols] = np.where(found, days[len(days) - 1 - active[::-1].argmax(axis=0)], np.nan)
    tags = {"DAYS_SINCE": stack.dates[0].isoformat()}
    return Scene(out, stack.grid, ACTIVITY, "1", float("nan"), stack.dates[-1], tags=tags)


def _frozen(values: NDArray[np.float32], limit: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Of ``(time, pixel)``: mean and length of the longest quiet beginning of the sorted series."""
    ascending = np.sort(values, axis=0).astype(np.float64)  # NaN last
    order = np.arange(1, len(values) + 1)[:, None]
    mean = np.cumsum(ascending, axis=0) / order
    squares = np.cumsum(ascending**2, axis=0) / order
    with np.errstate(invalid="ignore"):
        quiet = squares / mean**2 - 1 < limit**2
    length = np.where(quiet, order, 0).max(axis=0)
    chosen = np.take_along_axis(mean, np.maximum(length - 1, 0)[None], axis=0)[0]
    return np.where(length > 0, chosen, np.nan).astype(np.float32), length.astype(np.int32)


def _limits(
    background: Background, looks: tuple[float, ...], where: NDArray[np.bool_], rate: float
) -> NDArray[np.float32]:
    """Amplitudes ``(band, pixel)`` that a stable pixel exceeds at the rate; F distributed against its background."""
    amplitude, dates = background.amplitude[:, where], background.dates[:, where]
    limits = np.full(amplitude.shape, np.nan, np.float32)
    for band, own in enumerate(looks):
        quantiles = f_distribution.isf(rate, 2 * own, 2 * own * np.maximum(dates[band], 1))
        power = amplitude[band] ** 2 * (1 + cv_mean(own) ** 2)  # from the mean of amplitudes to that of intensities
        limits[band] = np.sqrt(power * quantiles)
    return limits


def _largest(found: Detection) -> NDArray[np.float32]:
    """The coefficient of variation of the polarisation that decided; NaN where none did."""
    cv = np.take_along_axis(found.moments.cv, found.channel[None], axis=0)[0]
    return np.where(found.valid, cv, np.float32(np.nan))
