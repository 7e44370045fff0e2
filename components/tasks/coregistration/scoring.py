"""What one answer contributes to the scores, and the scores of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from components.inference.method import Outputs
from components.metrics.classification import CalibrationBins, calibration_bins, ece
from components.metrics.flow import ErrorCounts, end_point_errors
from components.raster.scene import Scene
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.pair import CONFIDENCE, COVER, FLOW, MOVING, REFERENCE
from components.tasks.seam import Row, Rows, Sample, Scores

SHIFT = "best_shift"
SUM, COUNT = "epe_sum.", "epe_count."  # of a part of the pixels: what a mean needs, and no histogram
SURE_PX = 1.0  # what confidence is about: an end-point error below this
LENGTHS_PX = (0.0, 2.0, 4.0, 8.0, np.inf)  # errors are told apart by how far a pixel really moved


def measure(sample: Sample, output: Outputs) -> Rows:
    """One row: end-point errors, in all, by length of the true flow and by land cover, and bins of the confidence.

    Counted are pixels whose truth is known, which the reference shows, and whose partner ``x + w(x)`` the moving scene
    shows: the same pixels for every method. A flow that a method leaves unknown counts as no flow at all.
    """
    truth, said = _flow(sample.targets[FLOW]), _flow(output[FLOW])
    seen = comparable(sample, truth)
    errors = end_point_errors(np.where(np.isfinite(said), said, 0), truth)
    values: dict[str, float | tuple[float, ...]] = {**ErrorCounts.of(errors, seen).values()}
    for name, inside in (*_by_length(truth), *_by_cover(sample)):
        values |= _mean_of(name, errors, seen & inside)
    values |= _mean_of(SHIFT, _after_best_shift(truth, seen), seen)
    sure = _scene(output[CONFIDENCE]).array[0]
    values |= calibration_bins(np.nan_to_num(sure), errors < SURE_PX, valid=seen).values()
    return (Row(sample.unit, values),)


def summarise(rows: Rows) -> Scores:
    """Mean, median and 95th percentile of the end-point error in px, shares above 1 and 3 px, ECE of the confidence.

    The mean is repeated by length of the true flow (`epe.2-4px`), and by land cover (`epe.forest`) where samples
    have a class map of it; classes of one name count as one. `best_shift_epe` is what would be left after the best
    constant shift of each sample, read off the truth: an oracle, the same for every method. None where no pixel counts.
    """
    values = [row.values for row in rows]
    scores: dict[str, float | None] = dict(ErrorCounts.pooled(values).scores())
    parts = dict.fromkeys([name for name, _, _ in _lengths()])
    parts |= dict.fromkeys(sorted(key.removeprefix(SUM) for row in values for key in row if key.startswith(SUM)))
    means = {name: _pooled_mean(values, name) for name in parts}
    scores |= {f"epe.{name}": mean for name, mean in means.items() if name != SHIFT}
    scores["best_shift_epe"] = means.get(SHIFT)
    bins = CalibrationBins.pooled(values)
    return {**scores, "ece": None if bins is None else ece(bins)}


def comparable(sample: Sample, truth: Flow) -> NDArray[np.bool_]:
    """True ``(row, col)`` where an answer can be held against the truth."""
    known = np.isfinite(truth).all(0) & _scene(sample.inputs[REFERENCE]).valid
    rows, cols = np.indices(known.shape, dtype=np.float32)
    there = _scene(sample.inputs[MOVING]).valid.astype(np.float32)
    partner = np.nan_to_num(np.stack([rows + truth[1], cols + truth[0]]))
    reached = map_coordinates(there, partner, order=1, mode="constant", cval=0.0) > 1 - 1e-3
    return np.asarray(known & reached)


def _after_best_shift(truth: Flow, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """End-point errors of the constant flow with the smallest sum of absolute errors: the median of each component."""
    if not seen.any():
        return np.full(seen.shape, np.nan)
    middle = np.median(truth[:, seen], axis=1)[:, None, None]
    return end_point_errors(np.broadcast_to(middle, truth.shape), truth)


def _mean_of(name: str, errors: NDArray[np.float64], inside: NDArray[np.bool_]) -> dict[str, float]:
    """Sum and number of the known errors ``(row, col)`` inside a part of the pixels, by the name of the part."""
    known = errors[inside & np.isfinite(errors)]
    return {f"{SUM}{name}": float(known.sum()), f"{COUNT}{name}": float(known.size)}


def _pooled_mean(values: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The mean error of a part of the pixels over rows, of which some may lack it; None without pixels."""
    total, count = (sum(row.get(f"{key}{name}", 0.0) for row in values) for key in (SUM, COUNT))
    return total / count if count else None


def _by_length(truth: Flow) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    length = np.linalg.norm(truth, axis=0)
    for name, low, high in _lengths():
        yield name, (length >= low) & (length < high)


def _by_cover(sample: Sample) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Where each named class of the land cover lies; nothing without a class map."""
    if COVER in sample.targets:
        scene = _scene(sample.targets[COVER])
        for name in {each.name for each in scene.classes}:
            yield name, np.isin(scene.array[0], [each.code for each in scene.classes if each.name == name])


def _lengths() -> Iterator[tuple[str, float, float]]:
    for low, high in pairwise(LENGTHS_PX):
        yield (f"above_{low:g}px" if np.isinf(high) else f"{low:g}-{high:g}px"), low, high


def _flow(value: object) -> Flow:
    return np.asarray(_scene(value).array, dtype=np.float32)


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "pairs and flows are scenes"
    return value
