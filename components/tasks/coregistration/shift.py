"""One shift for a whole pair: by phase correlation, or the best one that the truth knows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import shift as moved_by
from skimage.registration import phase_cross_correlation

from components.tasks.coregistration.filters import Flow, Image

UPSAMPLING = 50  # fiftieths of a pixel
ROUNDS = 3  # a window pulls the peak towards zero; after moving by what was found, less is left to pull
PEAK_PX = 4  # a second peak this near is the first one's shoulder


class Shift(NamedTuple):
    """A constant flow in px, and how sure it is: 0 where another shift is as likely, 1 where none is."""

    u: float
    v: float
    confidence: float

    def flow(self, shape: tuple[int, int]) -> Flow:
        """The same everywhere, (2, row, col)."""
        field = np.empty((2, *shape), np.float32)
        field[0], field[1] = self.u, self.v
        return field


def phase_correlation(reference: Image, moving: Image) -> Shift:
    """The constant flow of two images ``(row, col)`` of one shape, NaN where nothing was seen; zero for blank ones.

    Kuglin and Hines 1975, refined by a matrix Fourier transform (Guizar-Sicairos et al. 2008). Holes are filled with
    the mean, both images are tapered to their edges. Confidence is how far the highest peak of the correlation
    stands above the next one.

    Raises:
        ValueError: if the shapes differ.
    """
    if reference.shape != moving.shape:
        raise ValueError(f"expected images of one shape, got {reference.shape} and {moving.shape}")
    first, second = _centred(reference), _centred(moving)
    if not first.any() or not second.any():
        return Shift(0.0, 0.0, 0.0)
    taper = np.outer(*(np.hanning(side + 2)[1:-1] for side in first.shape)).astype(np.float32)
    found = np.zeros(2)  # rows and columns that the moving image must be moved by
    for _ in range(ROUNDS):
        there = moved_by(second, found, order=3, mode="constant")
        step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
            first * taper, there * taper, upsample_factor=UPSAMPLING, normalization="phase"
        )
        found = found + step
    found = np.where(np.abs(found) <= np.array(first.shape) / 2, found, 0)
    return Shift(float(-found[1]), float(-found[0]), _distinctness(first * taper, second * taper))


def best_constant(truth: NDArray[np.float32]) -> Shift:
    """The component-wise median of a true flow ``(2, row, col)``: what no constant shift can beat by much.

    A control: it knows the truth. Zero where none of it is known.
    """
    known = np.isfinite(truth).all(0)
    if not known.any():
        return Shift(0.0, 0.0, 0.0)
    u, v = np.median(truth[:, known], axis=1)
    return Shift(float(u), float(v), 1.0)


def _centred(image: Image) -> Image:
    known = np.isfinite(image)
    mean = float(image[known].mean()) if known.any() else 0.0
    return np.where(known, image - mean, 0).astype(np.float32)


def _distinctness(first: Image, second: Image) -> float:
    """1 - second peak / first peak of the phase correlation."""
    spectrum = scipy.fft.rfft2(first) * np.conj(scipy.fft.rfft2(second))
    surface = scipy.fft.irfft2(spectrum / np.maximum(np.abs(spectrum), np.finfo(np.float32).tiny), first.shape)
    row, col = np.unravel_index(np.argmax(surface), surface.shape)
    highest = float(surface[row, col])
    near = np.ix_(
        *((np.arange(-PEAK_PX, PEAK_PX + 1) + at) % side for at, side in zip((row, col), surface.shape, strict=True))
    )
    surface[near] = -np.inf
    return float(np.clip(1 - surface.max() / highest, 0, 1)) if highest > 0 else 0.0
