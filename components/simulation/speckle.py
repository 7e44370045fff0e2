"""Speckle, the multiplicative noise of every coherent sensor: the one generator of the project."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.special import gammaincinv, ndtr

from components.simulation.noise import Float

# Standard deviations between which the Gamma law is tabulated, and how finely: beyond lie below 4e-8 of the pixels.
# Each kind of field has its own table, because finer ones would change the bytes of recorded datasets.
WRAPPED_TABLE, CUT_TABLE = np.linspace(-6, 6, 4096), np.linspace(-5.5, 5.5, 2049)
CUT_DEVIATIONS = 4.0  # of the smoothing: how much larger a field is drawn that is then cut


@dataclass(frozen=True)
class Speckle:
    """``looks`` of the intensity, and how neighbours are alike: not at all, as resampled products, or as complex ones.

    ``correlation_px`` is the deviation in pixels of the smoothing of the underlying Gaussian field, which makes the
    correlation exp(-(d / 2 correlation)^2) at distance d before the change to the Gamma law: 0 is white, 0.5 to 0.8 as
    in Sentinel-1 ground range products. The law of each pixel is exactly Gamma whatever the correlation. The field is
    smoothed by wrapping around (``wraps``), or drawn larger and cut, so that opposite edges differ.

    ``oversampling`` above 1 means pixels that are that much smaller than the resolution along both axes, as
    single-look complex products have: circular Gaussian fields whose spectrum fills 1 / oversampling of the band,
    detected and averaged. A fractional number of looks averages the next whole number of them with unequal weights:
    mean and variance are exact, the distribution only nearly Gamma.

    Raises:
        ValueError: if ``looks`` is not positive, or below 1 where pixels are oversampled; if ``oversampling`` is
            below 1, ``correlation_px`` negative, or neighbours are to be alike in both ways at once.
    """

    looks: float = 4.4
    correlation_px: float = 0.0
    oversampling: float = 1.0
    wraps: bool = True

    def __post_init__(self) -> None:
        oversampled = self.oversampling > 1
        if not self.looks > (0 if not oversampled else 1 - 1e-9) or self.oversampling < 1:
            raise ValueError(
                f"speckle of {self.looks} looks, oversampled {self.oversampling} times, does not exist; "
                "looks are above 0, from 1 on where oversampled, and oversampling starts at 1"
            )
        if self.correlation_px < 0 or (oversampled and self.correlation_px > 0):
            raise ValueError(
                f"speckle correlated over {self.correlation_px} px and oversampled {self.oversampling} times does not "
                "exist; give one of the two"
            )


def speckle(rng: np.random.Generator, shape: tuple[int, ...], seen: Speckle) -> Float:
    """Factors ``(..., row, col)`` of mean 1 and variance 1 / looks (Goodman 1976); leading indexes are independent."""
    if seen.oversampling > 1:
        return _oversampled(rng, shape, seen)
    if not seen.correlation_px:
        return np.asarray(rng.standard_gamma(seen.looks, shape, dtype=np.float32) / np.float32(seen.looks))
    # A Gaussian copula: smoothing intensities themselves would change their looks.
    table = WRAPPED_TABLE if seen.wraps else CUT_TABLE
    normal = (_wrapped if seen.wraps else _cut)(rng, shape, seen.correlation_px)
    law = gammaincinv(seen.looks, ndtr(table)) / seen.looks
    return np.asarray(np.interp(normal, table, law), dtype=np.float32)


def speckled(reflectivity: NDArray[np.floating], seen: Speckle, seed: int) -> Float:
    """A noisy intensity ``(..., row, col)`` of that reflectivity; NaN stays, a seed gives the same pixels."""
    noise = speckle(np.random.default_rng(seed), reflectivity.shape, seen)
    return np.asarray(reflectivity * noise, dtype=np.float32)


def look_weights(looks: float) -> NDArray[np.float64]:
    """Weights of independent single looks that sum to 1 and whose squares sum to 1 / looks."""
    count = ceil(looks)
    if count == looks:
        return np.full(count, 1 / count)
    last = (1 - sqrt((count - 1) * (count / looks - 1))) / count
    return np.append(np.full(count - 1, (1 - last) / (count - 1)), last)


def _wrapped(rng: np.random.Generator, shape: tuple[int, ...], correlation_px: float) -> NDArray[np.floating]:
    """A smoothed Gaussian field of deviation 1 whose opposite edges go on into each other."""
    field = rng.standard_normal(shape, dtype=np.float32)
    for axis in (-2, -1):
        field = gaussian_filter1d(field, correlation_px, axis=axis, mode="wrap")
    reach = np.zeros(2 * shape[-1] + 1)
    reach[shape[-1]] = 1
    kernel = gaussian_filter1d(reach, correlation_px)
    return np.asarray(field / np.float32(np.square(kernel).sum()))  # both axes: the square of the deviation of one


def _cut(rng: np.random.Generator, shape: tuple[int, ...], correlation_px: float) -> NDArray[np.floating]:
    """A smoothed Gaussian field of deviation 1, cut from a larger one."""
    margin = int(np.ceil(CUT_DEVIATIONS * correlation_px))
    white = rng.standard_normal((*shape[:-2], *(side + 2 * margin for side in shape[-2:])))
    smooth = gaussian_filter(white, correlation_px, truncate=CUT_DEVIATIONS, axes=(-2, -1))
    radius = int(CUT_DEVIATIONS * correlation_px + 0.5)
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / correlation_px))
    deviation = float(np.square(weights / weights.sum()).sum())  # of white noise, from the sampled kernel itself
    return np.asarray(smooth[..., margin:-margin, margin:-margin] / deviation)


def _oversampled(rng: np.random.Generator, shape: tuple[int, ...], seen: Speckle) -> Float:
    """Weighed looks, each the intensity of mean 1 of a circular Gaussian field with a band-limited flat spectrum."""
    inside = [np.abs(np.fft.fftfreq(size)) < 0.5 / seen.oversampling for size in shape[-2:]]
    kept = np.outer(*inside)
    total = np.zeros(shape)
    for weight in look_weights(seen.looks):
        field = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        limited = np.fft.ifft2(np.fft.fft2(field) * kept)
        total += weight * np.abs(limited) ** 2 / (2 * kept.mean())
    return total.astype(np.float32)
