"""Speckle on a known reflectivity: what a filter is measured with, because the truth is exact."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]  # intensity (row, col), NaN: nodata


def speckled(reflectivity: NDArray[np.floating], looks: float, seed: int, oversampling: float = 1.0) -> Image:
    """A noisy intensity ``(row, col)`` of that reflectivity; NaN stays NaN. The same seed gives the same pixels.

    See `speckle` for ``looks`` and ``oversampling``.
    """
    noise = speckle((reflectivity.shape[0], reflectivity.shape[1]), looks, np.random.default_rng(seed), oversampling)
    return np.asarray(reflectivity * noise, dtype=np.float32)


def speckle(shape: tuple[int, int], looks: float, rng: np.random.Generator, oversampling: float = 1.0) -> Image:
    """Multiplicative speckle ``(row, col)`` of mean 1 and variance 1 / looks.

    White speckle follows Gamma(L, 1/L). With ``oversampling`` above 1 pixels are that much smaller than the
    resolution along both axes, as single-look complex products are: circular Gaussian fields whose spectrum fills
    1 / oversampling of the band, detected and averaged. A fractional number of looks averages the next whole number of
    them with unequal weights: mean and variance are exact, the distribution only nearly Gamma.

    Raises:
        ValueError: if ``looks`` or ``oversampling`` is below 1 where speckle is correlated, or ``looks`` not positive.
    """
    if looks <= 0 or oversampling < 1 or (oversampling > 1 and looks < 1):
        raise ValueError(f"speckle of {looks} looks, oversampled {oversampling} times, does not exist; both start at 1")
    if oversampling == 1:
        return rng.gamma(looks, 1 / looks, shape).astype(np.float32)
    total = np.zeros(shape)
    for weight in look_weights(looks):
        total += weight * _single_look(shape, rng, oversampling)
    return total.astype(np.float32)


def look_weights(looks: float) -> NDArray[np.float64]:
    """Weights of independent single looks that sum to 1 and whose squares sum to 1 / looks."""
    count = ceil(looks)
    if count == looks:
        return np.full(count, 1 / count)
    last = (1 - sqrt((count - 1) * (count / looks - 1))) / count
    return np.append(np.full(count - 1, (1 - last) / (count - 1)), last)


def _single_look(shape: tuple[int, int], rng: np.random.Generator, oversampling: float) -> NDArray[np.float64]:
    """Intensity of mean 1 of a circular Gaussian field with a band-limited flat spectrum."""
    field = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    inside = [np.abs(np.fft.fftfreq(size)) < 0.5 / oversampling for size in shape]
    kept = np.outer(*inside)
    limited = np.fft.ifft2(np.fft.fft2(field) * kept)
    return np.asarray(np.abs(limited) ** 2 / (2 * kept.mean()))
