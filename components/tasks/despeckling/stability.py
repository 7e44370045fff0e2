"""Where two dates show the same ground: noise-to-noise training learns from nothing else."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from components.raster.radiometry import log_variance
from components.tasks.despeckling.windows import Image, moments

WINDOW_PX = 5
DEVIATIONS = 3.0


def stable(
    first: Image, second: Image, looks: float, correlation_area_px: float = 1.0, second_looks: float | None = None
) -> NDArray[np.bool_]:
    """True ``(row, col)`` where two co-registered intensities differ by no more than speckle does.

    Changed is where the log-ratio of means over 5 x 5 pixels exceeds 3 sqrt(2 psi1(L) / n) with n = 25 / the area over
    which speckle is correlated: a little more than three deviations, as the logarithm of a mean varies less than the
    mean of logarithms. Pixels that are nodata on either date are not stable. ``second_looks`` (default: ``looks``) is
    for a mean over dates as the second image; the threshold is then 3 sqrt((psi1(L) + psi1(L2)) / n).
    """
    both = np.isfinite(first) & np.isfinite(second)
    means = [moments(np.where(both, each, np.nan), WINDOW_PX).mean for each in (first, second)]
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.log(means[0] / means[1]))
    independent = max(WINDOW_PX**2 / correlation_area_px, 1.0)
    variance = log_variance(looks) + log_variance(second_looks or looks)
    return np.asarray(both & (apart <= DEVIATIONS * sqrt(variance / independent)))
