"""Local statistics that never see nodata: windows are normalised by the pixels that they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, distance_transform_edt, uniform_filter

Image = NDArray[np.float32]  # (row, col), NaN: nodata
Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """Mean and variance of the valid pixels around each pixel, both (row, col)."""

    mean: Floats
    variance: Floats

    def relative(self) -> Floats:
        """Squared coefficient of variation; 0 where nothing was seen or the mean is 0."""
        return np.divide(self.variance, self.mean**2, out=np.zeros_like(self.mean), where=self.mean > 0)


def moments(image: NDArray[np.floating], size_px: int) -> Moments:
    """Moments of the square windows of odd ``size_px``; windows end at the edge of the image, NaN where empty."""
    return _weighted(image, lambda values: uniform_filter(values, size_px, mode="constant"))


def kernel_moments(image: NDArray[np.floating], kernel: NDArray[np.floating]) -> Moments:
    """Moments under a kernel of non-negative weights."""
    turned = kernel[::-1, ::-1].astype(np.float64)
    return _weighted(image, lambda values: convolve(values, turned, mode="constant"))


def _weighted(image: NDArray[np.floating], window: Callable[[Floats], Floats]) -> Moments:
    valid = np.isfinite(image)
    pixels = np.where(valid, image, 0).astype(np.float64)
    share = window(valid.astype(np.float64))
    seen = share > 1e-9
    with np.errstate(invalid="ignore"):
        share = np.where(seen, share, np.nan)
        mean = window(pixels) / share
        square = window(pixels**2) / share
    return Moments(mean, np.maximum(square - mean**2, 0))


def mirrored(image: Image) -> Image:
    """The image with its holes filled by what lies across their edges, so that blocks at an edge see real speckle.

    A pixel of a hole gets the value as far behind the nearest valid pixel as it lies before it, or that pixel's where
    there is none. No valid pixel at all: zeros.
    """
    holes = ~np.isfinite(image)
    if not holes.any():
        return image
    if holes.all():
        return np.zeros_like(image)
    rows, cols = np.indices(image.shape)
    near = distance_transform_edt(holes, return_distances=False, return_indices=True)
    across = [2 * at - own for at, own in zip(near, (rows, cols), strict=True)]
    inside = np.logical_and.reduce([(at >= 0) & (at < size) for at, size in zip(across, image.shape, strict=True)])
    across = [np.where(inside, far, at) for far, at in zip(across, near, strict=True)]
    usable = inside & ~holes[across[0], across[1]]
    filled = np.where(usable, image[across[0], across[1]], image[near[0], near[1]])
    return np.asarray(np.where(holes, filled, image), dtype=image.dtype)
