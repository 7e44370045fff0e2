"""What happens at a changed pixel over a period: against which background, how often, from when to when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from components.raster.scene import Scene, Stack
from components.tasks.change.reactiv_dating import CHUNK, DARK, days_of
from components.tasks.change.reactiv_theory import cv_mean
from components.tasks.change.series import amplitudes

ACTIVITY = "activity"
ACTIVITY_BANDS = ("active_dates", "seen_dates", "first_day", "last_day")
BACKGROUND = "background"
REFINED = 2  # times that dates which prove quiet return to the background of `activity`
FALSE_ALARMS = 0.01  # share of stable pixels that any date calls active

Float = NDArray[np.float32]


class Frozen(NamedTuple):
    """Amplitude ``(band, pixel)`` of a pixel while nothing happens there, and the number of dates it rests on."""

    amplitude: Float
    dates: NDArray[np.int32]


def frozen(amplitude: Float, looks: tuple[float, ...], *, bright: bool = False) -> Frozen:
    """The mean of the quiet dates of ``(time, band, pixel)`` amplitudes, NaN where a date has none.

    Amplitudes are sorted, and the longest beginning whose coefficient of variation stays below the theoretical one is
    averaged: bright events (ships, cranes, buildings) leave, whichever part of the period they last. This is the frozen
    background of REACTIV. With ``bright`` sorting begins with the brightest: a flood leaves. On pure speckle half of
    all pixels lose some dates, so the background is 1 % to 2 % too dark (too bright).
    """
    turn = -1 if bright else 1
    ordered = turn * np.sort(turn * amplitude, axis=0)  # NaN last either way
    found = [_quiet(ordered[:, band], cv_mean(each)) for band, each in enumerate(looks)]
    return Frozen(np.stack([mean for mean, _ in found]), np.stack([dates for _, dates in found]))


def background(stack: Stack, mean: Float, where: NDArray[np.bool_], looks: tuple[float, ...]) -> Scene:
    """Amplitude ``(band, row, col)`` of the ground without its events: one scene to lay under maps of change.

    The frozen background ``where`` something happened, the ``mean`` amplitude of all dates elsewhere.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    out = mean.copy()
    for row, col in _chunks(where):
        values = amplitudes(stack.array[:, :, row, col], stack.unit, stack.nodata)
        out[:, row, col] = frozen(values, looks).amplitude
    return Scene(out, stack.grid, stack.bands, "amplitude", float("nan"), stack.dates[-1])


def activity(stack: Stack, when: Scene, looks: tuple[float, ...], false_alarms: float = FALSE_ALARMS) -> Scene:
    """Bands `ACTIVITY_BANDS` ``(4, row, col)`` float32 of the changed pixels of ``when``, NaN elsewhere.

    A date is active where a band is brighter than the frozen background by more than speckle explains; darker than
    the bright background where ``when`` says that the pixel is darker for a while and that background rests on more
    dates. Dates that prove quiet return to the background, so that it is not too dark. ``false_alarms`` is the share
    of stable pixels that may be called active at any date; each date and band takes its part of it (simulated for 16
    to 60 dates and 1 to 10 looks: 1.3 % to 1.7 % for 1 %). Days count from the first date; NaN where no date is active.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    kind = when.array[0]
    out = np.full((len(ACTIVITY_BANDS), *kind.shape), np.nan, np.float32)
    days = days_of(stack.dates).astype(np.float32)
    for row, col in _chunks(np.isfinite(kind)):
        values = amplitudes(stack.array[:, :, row, col], stack.unit, stack.nodata)
        out[:, row, col] = _activity(values, kind[row, col] == DARK, looks, false_alarms, days)
    tags = {"DAYS_SINCE": stack.dates[0].isoformat()}
    return Scene(out, stack.grid, ACTIVITY_BANDS, "1", float("nan"), stack.dates[-1], tags=tags)


def _activity(
    amplitude: Float, dark: NDArray[np.bool_], looks: tuple[float, ...], false_alarms: float, days: Float
) -> Float:
    """``(4, pixel)`` of ``(time, band, pixel)`` amplitudes."""
    rate = false_alarms / max(amplitude.shape[0] * amplitude.shape[1], 1)
    low, high = frozen(amplitude, looks), frozen(amplitude, looks, bright=True)
    dark &= high.dates.sum(axis=0) > low.dates.sum(axis=0)
    ground = Frozen(*(np.where(dark, *each) for each in zip(high, low, strict=True)))
    differs = _beyond(amplitude, ground, looks, dark, rate)
    for _ in range(REFINED):
        differs = _beyond(amplitude, _mean_of(amplitude, ~differs), looks, dark, rate)
    active, seen = np.asarray(differs.any(axis=1)), np.isfinite(amplitude).any(axis=1)
    found = np.asarray(active.any(axis=0))
    first = np.where(found, days[active.argmax(axis=0)], np.nan)
    last = np.where(found, days[len(days) - 1 - active[::-1].argmax(axis=0)], np.nan)
    return np.stack([active.sum(axis=0), seen.sum(axis=0), first, last]).astype(np.float32)


def _beyond(
    amplitude: Float, ground: Frozen, looks: tuple[float, ...], dark: NDArray[np.bool_], rate: float
) -> NDArray[np.bool_]:
    """Where amplitudes ``(time, band, pixel)`` differ from the ground by more than a stable pixel at the rate."""
    limits = _limits(ground, looks, dark, rate)
    with np.errstate(invalid="ignore"):
        return np.where(dark, amplitude < limits, amplitude > limits)


def _mean_of(amplitude: Float, quiet: NDArray[np.bool_]) -> Frozen:
    """Over the quiet dates that show the pixel."""
    quiet = quiet & np.isfinite(amplitude)
    dates = quiet.sum(axis=0)
    total = np.where(quiet, amplitude, 0).sum(axis=0)
    mean = np.divide(total, dates, out=np.full(total.shape, np.nan, np.float32), where=dates > 0)
    return Frozen(mean, dates.astype(np.int32))


def _quiet(values: Float, limit: float) -> tuple[Float, NDArray[np.int32]]:
    """Of sorted ``(time, pixel)``: mean and length of the longest beginning that varies less than ``limit``."""
    order = np.arange(1, len(values) + 1)[:, None]
    mean = np.cumsum(values, axis=0, dtype=np.float64) / order
    squares = np.cumsum(np.square(values, dtype=np.float64), axis=0) / order
    with np.errstate(invalid="ignore"):
        quiet = squares / mean**2 - 1 < limit**2
    length = np.where(quiet, order, 0).max(axis=0)
    chosen = np.take_along_axis(mean, np.maximum(length - 1, 0)[None], axis=0)[0]
    return np.where(length > 0, chosen, np.nan).astype(np.float32), length.astype(np.int32)


def _limits(found: Frozen, looks: tuple[float, ...], dark: NDArray[np.bool_], rate: float) -> Float:
    """Amplitudes ``(band, pixel)`` beyond which a stable pixel is at the rate; F distributed against its background."""
    limits = np.full(found.amplitude.shape, np.nan, np.float32)
    for band, own in enumerate(looks):
        degrees = 2 * own, 2 * own * np.maximum(found.dates[band], 1)
        quantiles = np.where(dark, f_distribution.ppf(rate, *degrees), f_distribution.isf(rate, *degrees))
        power = found.amplitude[band] ** 2 * (
            1 + cv_mean(own) ** 2
        )  # from the mean of amplitudes to that of intensities
        limits[band] = np.sqrt(power * quantiles)
    return limits


def _chunks(where: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    rows, cols = np.nonzero(where)
    return [(rows[begin : begin + CHUNK], cols[begin : begin + CHUNK]) for begin in range(0, len(rows), CHUNK)]
