"""What one answer contributes to the scores, and the scores of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.inference.method import Outputs
from components.metrics.classification import CalibrationBins, Counts, calibration_bins, ece
from components.raster.scene import Scene
from components.tasks.change.pair import AFTER, BEFORE, CHANGE, CHANGED_CODE, NODATA_CODE, PROBABILITY, UNCHANGED_CODE
from components.tasks.seam import Row, Rows, Sample, Scores

SPAN = "span"  # target: indexes of the first and last date of each change, -1 where nothing changed
DATE_ERRORS, DATED = "date_errors", "dated_within_error"  # days by true change; changes dated as well as was said
KIND = "kind"  # target: the mask as it was drawn, with its kinds of change


def measure(sample: Sample, output: Outputs) -> Rows:
    """One row: pixels by truth and answer, the calibration bins, and pixels and hits of each kind of change.

    Counted are the pixels whose truth is known and that both dates show; one that a method leaves blank although
    it is there counts as unchanged, so nobody gains by silence.
    """
    return measure_where(sample, output, _scene(sample.inputs[BEFORE]).valid & _scene(sample.inputs[AFTER]).valid)


def measure_where(sample: Sample, output: Outputs, shown: NDArray[np.bool_]) -> Rows:
    """The same over the pixels ``shown`` ``(row, col)`` whose truth is known."""
    truth, said = _codes(sample.targets[CHANGE]), _codes(output[CHANGE])
    seen = (truth != NODATA_CODE) & shown
    changed, found = truth == CHANGED_CODE, said == CHANGED_CODE
    values: dict[str, float | tuple[float, ...]] = {**Counts.of(changed, found, seen).values()}
    if PROBABILITY in output:
        values |= calibration_bins(_scene(output[PROBABILITY]).array[0], changed, valid=seen).values()
    if KIND in sample.targets:
        kinds = _scene(sample.targets[KIND])
        for kind in kinds.classes:
            there = seen & changed & (kinds.array[0] == kind.code)
            if kind.code != UNCHANGED_CODE:
                values |= {
                    f"pixels.{kind.name}": float(there.sum()),
                    f"found.{kind.name}": float((there & found).sum()),
                }
    return (Row(sample.unit, values),)


def summarise(rows: Rows) -> Scores:
    """Precision, recall, F1, IoU, kappa and accuracy of the change class over all pixels, ECE, recall of each kind.

    Of answers with dates: the median error of the found true changes in days, and the share of them that are dated as
    well as was said. Undefined scores are None: F1 and recall without change in the truth, precision without alarm.
    """
    values = [row.values for row in rows]
    bins = CalibrationBins.pooled(values)
    kinds = sorted({key.removeprefix("pixels.") for row in values for key in row if key.startswith("pixels.")})
    recalls = {f"recall.{kind}": _share(rows, f"found.{kind}", f"pixels.{kind}") for kind in kinds}
    return {**Counts.pooled(values).scores(), "ece": None if bins is None else ece(bins), **recalls, **_dating(rows)}


def _dating(rows: Rows) -> dict[str, float | None]:
    """Scores of dates; none where no answer has any."""
    if not any(DATE_ERRORS in row.values for row in rows):
        return {}
    errors = [error for row in rows if isinstance(own := row.values.get(DATE_ERRORS), tuple) for error in own]
    good = sum(n for row in rows if isinstance(n := row.values.get(DATED, 0.0), float))
    return {
        "date_error_days": float(np.median(errors)) if errors else None,
        DATED: good / len(errors) if errors else None,
    }


def _share(rows: Rows, part: str, whole: str) -> float | None:
    sums = [sum(n for row in rows if isinstance(n := row.values.get(key, 0.0), float)) for key in (part, whole)]
    return sums[0] / sums[1] if sums[1] else None


def _codes(value: object) -> NDArray[np.uint8]:
    return np.asarray(_scene(value).array[0], dtype=np.uint8)


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "pairs and their change maps are scenes"
    return value
