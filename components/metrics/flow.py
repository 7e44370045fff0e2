"""Scores of flow fields: end-point errors against a dense truth, residuals at check points.

Sums and histograms add up, so pooled scores are those of all pixels together. A pixel or point for which a method
gives no flow has the error of the zero flow: nobody gains by silence. Lengths are pixels of the reference grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

SMALLEST_PX, LARGEST_PX, BINS = 0.01, 100.0, 256
EDGES = np.concatenate([[0.0], np.geomspace(SMALLEST_PX, LARGEST_PX, BINS)])  # 3.7 % a bin; beyond the last one: it
NAMES = ("epe_count", "epe_sum", "epe_over_1", "epe_over_3")
HISTOGRAM = "epe_bins"


def end_point_errors(flow: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Length ``(row, col)`` of the difference of two flows ``(2, row, col)``; NaN where the truth is unknown.

    Raises:
        ValueError: if they are not of one such shape.
    """
    found, true = np.asarray(flow, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if found.shape != true.shape or found.ndim != 3 or found.shape[0] != 2:
        raise ValueError(f"expected two flows (2, row, col) of one shape, got {found.shape} and {true.shape}")
    answered = np.where(np.isfinite(found).all(0), found, 0.0)
    return np.asarray(np.hypot(*(answered - true)))


@dataclass(frozen=True)
class ErrorCounts:
    """End-point errors that can be summed: number, sum, numbers above 1 and 3 px, and a histogram over `EDGES`."""

    count: float
    total: float
    over_1: float
    over_3: float
    histogram: NDArray[np.float64]

    @classmethod
    def of(cls, errors: ArrayLike, valid: ArrayLike | None = None) -> ErrorCounts:
        """Counts of the errors that are known and ``valid`` (everywhere for None).

        Raises:
            ValueError: if the shapes differ.
        """
        lengths = np.asarray(errors, dtype=np.float64)
        seen = np.isfinite(lengths)
        if valid is not None:
            if np.shape(valid) != lengths.shape:
                raise ValueError(f"shapes differ: errors {lengths.shape}, valid {np.shape(valid)}")
            seen &= np.asarray(valid, dtype=bool)
        known = lengths[seen]
        bins = np.histogram(np.minimum(known, LARGEST_PX), EDGES)[0].astype(np.float64)
        return cls(float(known.size), float(known.sum()), float((known > 1).sum()), float((known > 3).sum()), bins)

    @classmethod
    def pooled(cls, rows: Iterable[Mapping[str, Any]]) -> ErrorCounts:
        """The sum of many mappings as `values` gives them (other keys are left alone)."""
        sums, bins = np.zeros(len(NAMES)), np.zeros(BINS)
        for row in rows:
            sums += [row[name] for name in NAMES]
            bins += row[HISTOGRAM]
        count, total, over_1, over_3 = sums.tolist()
        return cls(count, total, over_1, over_3, bins)

    def values(self) -> dict[str, float | tuple[float, ...]]:
        """The numbers by name, as the row of a task holds them."""
        numbers = (self.count, self.total, self.over_1, self.over_3)
        return {**dict(zip(NAMES, numbers, strict=True)), HISTOGRAM: tuple(self.histogram.tolist())}

    def quantile(self, share: float) -> float | None:
        """The error in px that this share (0..1) of the pixels does not exceed, to 4 %; None without pixels."""
        if not self.count:
            return None
        reached = np.concatenate([[0.0], np.cumsum(self.histogram)]) / self.count
        first = max(int(np.searchsorted(reached, share)), 1)  # the bin in which the share is reached
        low, high = reached[first - 1], reached[first]
        return float(EDGES[first - 1] + (EDGES[first] - EDGES[first - 1]) * (share - low) / (high - low))

    def scores(self) -> dict[str, float | None]:
        """Mean, median and 95th percentile in px, shares (0..1) above 1 and 3 px; None without pixels."""
        if not self.count:
            return dict.fromkeys(("epe", "median", "p95", "over_1px", "over_3px"))
        return {
            "epe": self.total / self.count,
            "median": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "over_1px": self.over_1 / self.count,
            "over_3px": self.over_3 / self.count,
        }


def check_points(flow: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """Distance ``(n,)`` in px from where the flow sends each check point to where it lies in the moving image.

    ``points`` ``(n, 4)``: x and y in the reference, x and y in the moving image, in pixels, x to the right and y
    down, (0, 0) at the centre of the first pixel. NaN for points outside the reference.

    Raises:
        ValueError: if flow or points have another shape.
    """
    field, table = np.asarray(flow, dtype=np.float64), np.asarray(points, dtype=np.float64)
    if field.ndim != 3 or field.shape[0] != 2 or table.ndim != 2 or table.shape[1] != 4:
        raise ValueError(f"expected a flow (2, row, col) and points (n, 4), got {field.shape} and {table.shape}")
    place, target = table[:, :2].T, table[:, 2:].T
    answered = np.where(np.isfinite(field).all(0), field, 0.0)
    at = [map_coordinates(part, place[::-1], order=1, mode="nearest") for part in answered]
    rows, cols = field.shape[1:]
    inside = (place >= -0.5).all(0) & (place[0] <= cols - 0.5) & (place[1] <= rows - 0.5)
    return np.asarray(np.where(inside, np.hypot(*(place + at - target)), np.nan))


def check_point_scores(residuals: ArrayLike) -> dict[str, float | None]:
    """RMSE in px and the shares (0..1) of check points within 1, 2 and 3 px; None without points."""
    lengths = np.asarray(residuals, dtype=np.float64)
    known = lengths[np.isfinite(lengths)]
    if not known.size:
        return dict.fromkeys(("rmse", "within_1px", "within_2px", "within_3px"))
    shares = {f"within_{limit}px": float((known <= limit).mean()) for limit in (1, 2, 3)}
    return {"rmse": float(np.sqrt(np.mean(known**2))), **shares}
