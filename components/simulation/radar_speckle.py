"""Gamma speckle of any number of looks, white or correlated between neighbouring pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import gammaincinv, ndtr

from components.simulation.noise import Float

_NODES = 4096


@dataclass(frozen=True)
class Speckle:
    """``looks`` of the intensity, and how far neighbours are alike.

    ``correlation_px`` is the deviation in pixels of the smoothing of the underlying Gaussian field: 0 is white, 0.5 to
    0.8 like oversampled Sentinel-1 products. Looks and mean stay what they are.
    """

    looks: float = 4.4
    correlation_px: float = 0.0


def speckle(rng: np.random.Generator, shape: tuple[int, ...], seen: Speckle) -> Float:
    """Factors ``(..., row, col)`` of mean 1 and variance 1 / looks; images of different leading index independent."""
    if seen.correlation_px <= 0:
        return np.asarray(rng.standard_gamma(seen.looks, shape, dtype=np.float32) / np.float32(seen.looks))
    # A Gaussian copula: smoothing intensities themselves would change their looks. Smoothed by wrapping around, so
    # that the variance is the same everywhere.
    field = rng.standard_normal(shape, dtype=np.float32)
    for axis in (-2, -1):
        field = gaussian_filter1d(field, seen.correlation_px, axis=axis, mode="wrap")
    reach = np.zeros(2 * shape[-1] + 1)
    reach[shape[-1]] = 1
    kernel = gaussian_filter1d(reach, seen.correlation_px)
    nodes = np.linspace(-6, 6, _NODES)
    levels = gammaincinv(seen.looks, ndtr(nodes)) / seen.looks
    normal = field / np.float32(np.square(kernel).sum())  # both axes: the square of the deviation of one
    return np.asarray(np.interp(normal, nodes, levels), dtype=np.float32)
