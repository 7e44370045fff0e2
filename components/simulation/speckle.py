"""Speckle: the multiplicative noise of every coherent sensor."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr
from scipy.stats import gamma

from components.simulation.noise import Float

TABLE = np.linspace(-5.5, 5.5, 2049)  # standard deviations; beyond them lie 4e-8 of the pixels


def speckle(rng: np.random.Generator, shape: tuple[int, int], *, looks: float, blur_px: float = 0.0) -> Float:
    """Gamma speckle ``(row, col)`` in intensity: mean 1, variance 1 / ``looks`` (Goodman 1976, Ulaby et al. 1986).

    Neighbours are correlated as a Gaussian resampling of width ``blur_px`` makes them, exp(-(d / 2 blur)^2) at
    distance d before the change to the Gamma law; the law of each pixel is exact whatever the correlation, which
    averaging correlated samples would not give.

    Raises:
        ValueError: if there is not more than 0 looks.
    """
    if not looks > 0:
        raise ValueError(f"speckle needs looks above 0, got {looks}")
    margin = int(np.ceil(4 * blur_px))
    white = rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin))
    if blur_px:
        white = gaussian_filter(white, blur_px, truncate=4.0)[margin:-margin, margin:-margin] / _deviation(blur_px)
    law = gamma.ppf(ndtr(TABLE), looks, scale=1 / looks)
    return np.asarray(np.interp(white, TABLE, law), dtype=np.float32)


def _deviation(blur_px: float) -> float:
    """Deviation of white noise after the blur, from the sampled kernel itself."""
    radius = int(4.0 * blur_px + 0.5)
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / blur_px))
    return float(np.square(weights / weights.sum()).sum())
