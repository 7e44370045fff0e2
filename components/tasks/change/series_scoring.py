"""What one answer about a series contributes: pixels of change, and how far dates of true changes are off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.inference.method import Outputs
from components.raster.scene import Scene, Stack
from components.tasks.change.pair import CHANGE, CHANGED_CODE
from components.tasks.change.reactiv import SERIES
from components.tasks.change.reactiv_dating import WHEN, WHEN_BANDS, days_of
from components.tasks.change.scoring import DATE_ERRORS, DATED, SPAN, measure_where
from components.tasks.change.series_rivals import seen
from components.tasks.seam import Row, Rows, Sample


def measure(sample: Sample, output: Outputs) -> Rows:
    """One row: what `scoring.measure_where` counts where any date shows a pixel, and the dating of true changes.

    Dated are true changes (patches of one first and one last date) that are found at one pixel or more. Their onset
    is midway between the last date before and the first date of the change, as that of an answer; the error is that
    of the median over the found pixels. Counted beside: changes whose stated error holds the true onset.
    """
    stack = sample.inputs[SERIES]
    assert isinstance(stack, Stack)
    (row,) = measure_where(sample, output, seen(stack))
    if SPAN not in sample.targets or WHEN not in output:
        return (row,)
    span, when = sample.targets[SPAN], output[WHEN]
    assert isinstance(span, Scene)
    assert isinstance(when, Scene)
    changed = sample.targets[CHANGE]
    assert isinstance(changed, Scene)
    true = np.where(changed.array[0] == CHANGED_CODE, span.array, -1)
    errors = tuple(_errors(true, when, days_of(stack.dates)))
    values: dict[str, float | tuple[float, ...]] = {
        DATE_ERRORS: tuple(error for error, _ in errors),
        DATED: float(sum(error <= stated for error, stated in errors)),
    }
    return (Row(row.unit, {**row.values, **values}),)


def _errors(span: NDArray[np.int16], when: Scene, days: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
    """Days that the onset of each found change is off, and the error that the answer states."""
    onset, stated = (when.array[WHEN_BANDS.index(name)] for name in ("onset_day", "onset_error_days"))
    found = np.isfinite(onset)
    for first, last in np.unique(span[:, (span >= 0).all(axis=0)], axis=1).T:
        patches, count = ndimage.label((span[0] == first) & (span[1] == last))
        true = (days[max(first - 1, 0)] + days[first]) / 2
        for number in range(1, count + 1):
            own = (patches == number) & found
            if own.any():
                yield float(abs(np.median(onset[own]) - true)), float(np.median(stated[own]))
