"""What methods on radar series say of real land without truth: alarms on stable ground, and from autumn to autumn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks._series_truth import RATES, REAL, Map, table
from components.raster.scene import Stack
from components.raster.stacks import opera_stack
from components.tasks.change.omnibus import stability
from components.tasks.change.reactiv import detect, estimated_looks
from components.tasks.change.reactiv_theory import LEAST_DATES
from components.tasks.change.series import amplitudes, moments

LAND = ("292319-IW2", "292320-IW2", "292323-IW2", "292325-IW1")
RATE = 0.01  # of the alarms that autumns are compared by
FIRST_MONTH = 9  # of an autumn; it runs into January


def stable() -> str:
    """Alarms of even dates on land that the odd dates call stable; speckle of the two knows nothing of each other.

    What changes too slowly for one half of the dates to show it counts as stable here, so this is an upper bound.
    """
    lines = []
    for burst, even, kept in _halves():
        looks = estimated_looks(moments(even))
        p_value = stability(even, looks)
        for name in ("REACTIV", "omnibus"):
            alarms = [detect(even, looks, r).changed if name == "REACTIV" else p_value < r for r in RATES]
            shares = [f"{each[kept].mean():.4f}" for each in alarms]
            said = " and ".join(f"{each:.1f}" for each in looks)
            lines.append([burst, name, said, f"{kept.sum()}", f"{kept.mean():.2f}", *shares])
    head = ["burst", "method", "looks VV and VH", "stable pixels", "share of burst"]
    return table([*head, *(f"alarms at {rate:.0%}" for rate in RATES)], lines)


def _halves() -> Iterator[tuple[str, Stack, Map]]:
    """Each land burst with its even dates, and where its odd dates call it stable: p above 0.5."""
    for burst, whole in _bursts():
        even, odd = (replace(whole, array=whole.array[start::2], dates=whole.dates[start::2]) for start in (0, 1))
        p_value = stability(odd, estimated_looks(moments(odd)))
        seen = np.isfinite(amplitudes(whole.array, whole.unit, whole.nodata)).all(axis=(0, 1))
        yield burst, even, seen & (p_value > 0.5)


def _bursts() -> Iterator[tuple[str, Stack]]:
    """Each land burst with all its dates."""
    source = opera_stack(REAL / "opera_rtc_s1_10SGD")
    for burst in LAND:
        yield burst, source.read(next(part.window for part in source.layers[0] if burst in part.path.name))


def years() -> str:
    """Autumns of three years: how bright land was in each, and alarms within one and across all, of as many dates.

    What varies from year to year (rain, crops, growth) shows as more alarms across years than within one.
    """
    lines = []
    for burst, whole in _bursts():
        looks = estimated_looks(moments(whole))
        autumns = [date.year - (date.month < FIRST_MONTH) for date in whole.dates]
        own = {year: [index for index, each in enumerate(autumns) if each == year] for year in sorted(set(autumns))}
        own = {year: dates for year, dates in own.items() if len(dates) >= LEAST_DATES}
        least = min(map(len, own.values()))
        level = [_level(whole, dates) for dates in own.values()]
        within = [_alarms(whole, dates[:least], looks) for dates in own.values()]
        share = least // len(own)
        across = _alarms(whole, [index for dates in own.values() for index in dates[:share]], looks)
        lines.append([burst, *level, *within, across, _alarms(whole, list(range(len(autumns))), looks)])
    names = [str(year) for year in own]
    head = [f"VV / VH {name}, dB" for name in names] + [f"alarms {name}" for name in names]
    return table(["burst", *head, f"alarms, {least} dates of all years", f"alarms, all {len(autumns)}"], lines)


def _level(whole: Stack, dates: list[int]) -> str:
    values = amplitudes(whole.array[dates], whole.unit, whole.nodata)
    return " / ".join(f"{20 * np.log10(np.nanmedian(values[:, band])):.1f}" for band in range(values.shape[1]))


def _alarms(whole: Stack, dates: list[int], looks: tuple[float, ...]) -> str:
    """Shares of the burst that REACTIV and the omnibus test call changed."""
    chosen = replace(whole, array=whole.array[dates], dates=tuple(whole.dates[index] for index in dates))
    seen = np.isfinite(amplitudes(whole.array, whole.unit, whole.nodata)).all(axis=(0, 1))
    both = detect(chosen, looks, RATE).changed, stability(chosen, looks) < RATE
    return " / ".join(f"{each[seen].mean():.3f}" for each in both)
