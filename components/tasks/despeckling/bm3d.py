"""BM3D of the logarithm: block matching and collaborative filtering of speckle made additive.

Dabov, Foi, Katkovnik and Egiazarian 2007, https://doi.org/10.1109/TIP.2007.901238, written from the paper (the
authors' package is for non-commercial use only). Departures: the cosine transform in both steps (the paper has a
biorthogonal wavelet in the first), reference blocks 4 pixels apart (3), groups of a fixed number of members without a
limit on their distance. Because single-look speckle is stronger than the noise the paper was made for, the first step
matches on an image smoothed over 3 x 3 pixels, and seeks on every third pixel so that members hold independent
speckle. The mean of a group is never thresholded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from components.raster.radiometry import log_mean, log_variance
from components.tasks.despeckling.debiasing import calibrated
from components.tasks.despeckling.matching import BLOCK_PX, Aggregate, Groups, Planes, Search, gathered, groups, padded
from components.tasks.despeckling.transforms import along, cosine, haar, plane
from components.tasks.despeckling.windows import Image, mirrored

THRESHOLD = 2.8  # standard deviations: the paper's lambda_3D for strong noise
FIRST, SECOND = Search(19, 16, stride_px=3), Search(19, 32)
HALO_PX = FIRST.reach_px + SECOND.reach_px + 1  # and the smoothing before the first search
LEAST = 1e-10  # of the median: an intensity of 0 has no logarithm


def homomorphic_bm3d(intensity: Image, looks: float, first: Search = FIRST, second: Search = SECOND) -> Image:
    """The intensity filtered by BM3D of its logarithm, whose noise variance is psi1(L).

    The mean of the logarithm lies psi(L) - log L below that of the reflectivity; that is put right exactly, and what
    matching and remaining speckle add on homogeneous ground by `homogeneous_gain`. NaN stays.
    """
    return calibrated(_uncalibrated, intensity, looks, first, second)


def _uncalibrated(intensity: Image, looks: float, first: Search, second: Search) -> Image:
    valid = np.isfinite(intensity)
    if not valid.any():
        return np.full_like(intensity, np.nan)
    filled = mirrored(intensity)
    logs = np.log(np.maximum(filled, floor_of(intensity))).astype(np.float32)
    reflectivity = np.exp(bm3d(logs, log_variance(looks) ** 0.5, first, second) - log_mean(looks))
    return np.where(valid, reflectivity, np.nan).astype(np.float32)


def floor_of(intensity: Image) -> float:
    """The smallest intensity that a logarithm is taken of."""
    positive = intensity[intensity > 0]
    return float(LEAST * np.median(positive)) if positive.size else 1.0


def bm3d(image: NDArray[np.float32], sigma: float, first: Search = FIRST, second: Search = SECOND) -> Image:
    """An image ``(row, col)`` without holes, freed of additive noise of standard deviation ``sigma``."""
    rows, cols = image.shape
    noisy = padded(image)
    basic = _hard(noisy, sigma, first)
    return _wiener(noisy, basic, sigma, second)[:rows, :cols]


def _hard(noisy: NDArray[np.float32], sigma: float, search: Search) -> Image:
    total = Aggregate((noisy.shape[0], noisy.shape[1]))
    smooth = uniform_filter(noisy, 3, mode="reflect")
    for at in groups((smooth,), squared, search):
        spectrum = _forward(gathered(noisy, at))
        kept = np.abs(spectrum) > THRESHOLD * sigma
        kept[:, 0, 0, 0] = True
        count = kept.reshape(len(kept), -1).sum(1)
        total.add(_backward(spectrum * kept), 1 / count, at)
    return total.image()


def _wiener(noisy: NDArray[np.float32], basic: Image, sigma: float, search: Search) -> Image:
    total = Aggregate((noisy.shape[0], noisy.shape[1]))
    for at in groups((basic,), squared, search):
        power = _forward(gathered(basic, at)) ** 2
        gain = power / (power + np.float32(sigma**2))
        gain[:, 0, 0, 0] = 1
        energy = (gain.reshape(len(gain), -1) ** 2).sum(1)
        total.add(_backward(_forward(gathered(noisy, at)) * gain), 1 / energy, at)
    return total.image()


def squared(one: Planes, other: Planes) -> NDArray[np.float32]:
    """The squared difference of pixels."""
    apart = one[0] - other[0]
    return apart * apart


def _forward(blocks: Groups) -> Groups:
    return along(plane(blocks, cosine(BLOCK_PX)), haar(blocks.shape[1]))


def _backward(spectrum: Groups) -> Groups:
    return plane(along(spectrum, haar(spectrum.shape[1]).T), cosine(BLOCK_PX).T)
