"""When a changed pixel changed, for how long, and how well the date is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Class, Scene, Stack
from components.tasks.change.segments import Stretch, differing
from components.tasks.change.series import amplitudes

STABLE, APPEARED, DISAPPEARED, BRIGHT, DARK = range(5)
KINDS = (
    Class(STABLE, "stable", (60, 60, 60)),
    Class(APPEARED, "appeared and stayed", (214, 39, 40)),
    Class(DISAPPEARED, "disappeared", (31, 119, 180)),
    Class(BRIGHT, "brighter for a while", (255, 187, 0)),
    Class(DARK, "darker for a while", (23, 190, 207)),
)
ONE_DATE, SHORT, LONG, LASTING = range(1, 5)
DURATIONS = (
    Class(ONE_DATE, "one date", (255, 187, 0)),
    Class(SHORT, "short", (255, 127, 14)),
    Class(LONG, "long", (148, 103, 189)),
    Class(LASTING, "until the last date", (214, 39, 40)),
)
LONG_FROM_DAYS = 90.0  # longer than a growing crop varies in one go, shorter than building takes
WHEN = "when"
WHEN_BANDS = ("kind", "first_day", "last_day", "onset_day", "onset_error_days", "duration")
CHUNK = 16_384


def dated(stack: Stack, changed: NDArray[np.bool_], looks: tuple[float, ...]) -> Scene:
    """Bands `WHEN_BANDS` ``(6, row, col)`` float32 of the changed pixels, NaN elsewhere; days since the first date.

    ``first_day`` and ``last_day`` are the first and last acquisition of the event; ``onset_day`` is midway between
    the last acquisition before it and the first of it; the true onset is within ``onset_error_days`` with 95 %
    where speckle is the only other cause of variation. ``kind`` is a code of `KINDS`, ``duration`` of `DURATIONS`.

    Raises:
        UnitMismatch: if the stack is no radar image.
    """
    out = np.full((len(WHEN_BANDS), *changed.shape), np.nan, np.float32)
    rows, cols = np.nonzero(changed)
    days = days_of(stack.dates)
    for begin in range(0, len(rows), CHUNK):
        row, col = rows[begin : begin + CHUNK], cols[begin : begin + CHUNK]
        intensity = np.square(amplitudes(stack.array[:, :, row, col], stack.unit, stack.nodata))
        out[:, row, col] = _when(intensity, differing(intensity, looks), days)
    tags = {"DAYS_SINCE": stack.dates[0].isoformat()}
    return Scene(out, stack.grid, WHEN_BANDS, "1", float("nan"), stack.dates[-1], tags=tags)


def lasting(when: Scene, least_days: float, last_day: float) -> Scene:
    """The same without events that end within ``least_days``; those that the last date shows are kept."""
    first, last = (when.array[WHEN_BANDS.index(name)] for name in ("first_day", "last_day"))
    with np.errstate(invalid="ignore"):
        kept = (last >= last_day) | (last - first >= least_days)
    return when.with_array(np.where(kept, when.array, np.float32(np.nan)))


def durations(first: NDArray[np.float64], last: NDArray[np.float64], stays: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Codes of `DURATIONS` of events from their first to their last day; ``stays``: the last date still shows it.

    That event may yet end: `LASTING` says no more than that. A criterion of long events keeps building sites and
    leaves most crops out.
    """
    codes = np.full(first.shape, SHORT, np.uint8)
    codes[last - first >= LONG_FROM_DAYS] = LONG
    codes[first == last] = ONE_DATE
    codes[stays] = LASTING
    return codes


def _when(intensity: NDArray[np.float32], found: Stretch, days: NDArray[np.float64]) -> NDArray[np.float32]:
    """``(6, pixel)`` by the dates that really show the pixel."""
    seen = np.isfinite(intensity).any(axis=1)
    dates, pixels = seen.shape
    order = np.arange(dates)[:, None]
    at_or_after = np.minimum.accumulate(np.where(seen, order, dates)[::-1], axis=0)[::-1]
    before = np.maximum.accumulate(np.where(seen, order, -1), axis=0)
    pixel = np.arange(pixels)
    first = np.minimum(at_or_after[found.start, pixel], dates - 1)
    last = np.maximum(before[found.stop - 1, pixel], 0)
    previous = np.maximum(before[found.start - 1, pixel], 0)
    low = days[np.maximum(before[found.earliest - 1, pixel], 0)]
    high = days[np.minimum(at_or_after[found.latest, pixel], dates - 1)]
    onset = (days[previous] + days[first]) / 2
    error = np.maximum(high - onset, onset - low)
    stays = found.stop == dates
    kind = np.where(stays, np.where(found.brighter, APPEARED, DISAPPEARED), np.where(found.brighter, BRIGHT, DARK))
    duration = durations(days[first], days[last], stays)
    return np.stack([kind, days[first], days[last], onset, error, duration]).astype(np.float32)


def days_of(dates: Sequence[datetime]) -> NDArray[np.float64]:
    """Days since the first date."""
    return np.array([(date - dates[0]).total_seconds() / 86_400 for date in dates])
