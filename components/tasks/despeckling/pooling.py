"""Numbers of rows, made so that they add up: means, and sums of what scatters around 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from components.metrics.speckle import Domain
from components.tasks.despeckling.windows import Image

PRIMARY = "psnr_db"
DOMAIN: Domain = "amplitude"  # PSNR and SSIM compare amplitudes, cut at the 99th percentile of the truth
BEST_DB = 100.0  # what an answer without any error counts as: a mean of infinities says nothing
Values = Mapping[str, float | tuple[float, ...]]
SCATTERS = ("ratio", "filtered", "speckle")
SUMS = ("count", "total", "squares")


def scatter(raw: Image, smooth: Image, truth: Image, area: NDArray[np.bool_], prefix: str = "") -> dict[str, float]:
    """Count, sum and sum of squares of noisy / filtered, filtered / truth and noisy / truth: 1 but for speckle."""
    sums: dict[str, float] = {}
    for name, above, below in (("ratio", raw, smooth), ("filtered", smooth, truth), ("speckle", raw, truth)):
        seen = area & np.isfinite(above) & np.isfinite(below) & (below > 0)
        values = above[seen].astype(np.float64) / below[seen]
        found = (values.size, values.sum(), (values**2).sum())
        sums |= {f"{prefix}{name}.{key}": float(value) for key, value in zip(SUMS, found, strict=True)}
    return sums


def pooled(rows: Sequence[Values], name: str) -> tuple[float, float] | None:
    """Mean and variance from the sums of all rows; None of fewer than two pixels."""
    # Plain lists: a bootstrap does this some ten thousand times.
    count, total, squares = (sum(_column(rows, f"{name}.{key}")) for key in SUMS)
    if count < 2:
        return None
    mean = total / count
    return mean, max(squares / count - mean**2, 0.0)


def _column(rows: Sequence[Values], name: str) -> list[float]:
    return cast("list[float]", [row[name] for row in rows])


def mean_of(rows: Sequence[Values], name: str) -> float | None:
    """The mean of all numbers in the lists of that name; None where there is none."""
    values = [each for row in rows for each in cast("tuple[float, ...]", row[name])]
    return float(np.mean(values)) if values else None
