"""Local filters of one intensity image ``(row, col)``: NaN in, NaN out, and no pixel of a hole counts.

Means are taken of intensity, so every filter here is radiometrically unbiased where the ground is homogeneous.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from components.tasks.despeckling.debiasing import calibrated
from components.tasks.despeckling.windows import Floats, Image, kernel_moments, moments

LEE_PX = 7
DEVIATIONS = 1.0  # the published filters have 0: 0.2 dB more PSNR at one look, but 3 % less in the mean of the ratio
REFINED_LEE_HALO_PX = 4  # windows of 7 px, and means of 3 px around their edge: 3 + 1


def boxcar(intensity: Image, size_px: int = LEE_PX) -> Image:
    """Spatial multilook: the mean of the valid pixels in a square of odd ``size_px``."""
    return _kept(intensity, moments(intensity, size_px).mean)


def lee(intensity: Image, looks: float, size_px: int = LEE_PX) -> Image:
    """The linear estimate of least mean square error from local mean and variance, for multiplicative speckle.

    Lee 1980, https://doi.org/10.1109/TPAMI.1980.4766994, with the exact gain of Kuan et al. 1985,
    https://doi.org/10.1109/TPAMI.1985.4767641: (1 - Cu^2 / Ci^2) / (1 + Cu^2), Cu^2 = 1 / L. Lee's own gain lacks the
    denominator. A window counts as homogeneous up to `homogeneous_limit`, so that chance does not keep speckle.
    """
    around = moments(intensity, size_px)
    return _linear(intensity, around.mean, _gain(around.relative(), looks, size_px**2))


def enhanced_lee(intensity: Image, looks: float, size_px: int = LEE_PX, damping: float = 1.0) -> Image:
    """Mean where the window is homogeneous, the pixel where it holds a point target, a weighing between.

    Lopes, Touzi and Nezry 1990, https://doi.org/10.1109/36.62623: Cu = 1 / sqrt L, Cmax = sqrt(1 + 2 / L), weight of
    the mean exp(-damping (Ci - Cu) / (Cmax - Ci)).
    """
    around = moments(intensity, size_px)
    own, noise = np.sqrt(around.relative()), sqrt(homogeneous_limit(looks, size_px**2))
    most = max(sqrt(1 + 2 / looks), 1.01 * noise)
    between = np.clip(own, noise, most - 1e-6)
    mean_weight = np.exp(-damping * (between - noise) / (most - between))
    return _linear(intensity, around.mean, np.where(own >= most, 1.0, 1 - mean_weight))


def refined_lee(intensity: Image, looks: float) -> Image:
    """Lee's filter in the half of a 7 x 7 window that lies along the edge through it.

    Lee 1981, https://doi.org/10.1016/S0146-664X(81)80018-4: means of 3 x 3 pixels at nine places of the window, the
    largest of four gradients gives the direction of the edge, and of the two halves the one whose mean is closer to
    the centre's is used. Gain as in `lee`. Choosing a side by its mean is biased where there is no edge (1.7 % at one
    look); a constant gain undoes that.
    """
    return calibrated(_uncalibrated, intensity, looks)


def _uncalibrated(intensity: Image, looks: float) -> Image:
    side = _sides(intensity)
    mean, relative = np.zeros(intensity.shape), np.zeros(intensity.shape)
    for number, kernel in enumerate(_halves()):
        mine = side == number
        if mine.any():
            around = kernel_moments(intensity, kernel)
            mean[mine], relative[mine] = around.mean[mine], around.relative()[mine]
    return _linear(intensity, mean, _gain(relative, looks, int(_halves()[0].sum())))


def homogeneous_limit(looks: float, pixels: int) -> float:
    """Squared coefficient of variation up to which a window of so many pixels passes for homogeneous.

    1 / L plus ``DEVIATIONS`` standard errors of its estimate, (1 / L) sqrt((2 + 2 / L) / n) for Gamma speckle.
    """
    return (1 + DEVIATIONS * sqrt((2 + 2 / looks) / pixels)) / looks


def _gain(relative: Floats, looks: float, pixels: int) -> Floats:
    limit = homogeneous_limit(looks, pixels)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (1 - limit / relative) / (1 + 1 / looks)
    return np.where(relative > limit, gain, 0.0)


def _linear(intensity: Image, mean: Floats, gain: Floats) -> Image:
    return _kept(intensity, mean + gain * (intensity - mean))


def _kept(intensity: Image, filtered: Floats) -> Image:
    return np.where(np.isfinite(intensity), filtered, np.nan).astype(np.float32)


# the eight neighbours of the centre of a 3 x 3 grid of means, two pixels apart, opposite ones four places apart
_AROUND = ((0, 2), (-2, 2), (-2, 0), (-2, -2), (0, -2), (2, -2), (2, 0), (2, 2))


def _sides(intensity: Image) -> NDArray[np.int8]:
    """Which of the eight halves (the number of the neighbour it extends towards) each pixel uses, (row, col)."""
    centre = moments(intensity, 3).mean
    rows, cols = intensity.shape
    padded = np.pad(centre, 2, mode="edge")
    places = [padded[2 + dr : 2 + dr + rows, 2 + dc : 2 + dc + cols] for dr, dc in _AROUND]
    near = np.stack([np.where(np.isfinite(place), place, centre) for place in places])
    ring = [np.roll(near, -turn, axis=0) for turn in (-1, 0, 1)]
    sums = ring[0] + ring[1] + ring[2]  # three means on each of the eight sides
    steepest = np.abs(sums[:4] - sums[4:])
    with np.errstate(invalid="ignore"):
        axis = np.where(np.isfinite(steepest), steepest, 0).argmax(axis=0)
    ahead = np.take_along_axis(near, axis[None], 0)[0]
    behind = np.take_along_axis(near, axis[None] + 4, 0)[0]
    first = np.abs(ahead - centre) <= np.abs(behind - centre)
    return np.asarray(np.where(first, axis, axis + 4), np.int8)


def _halves() -> list[NDArray[np.float64]]:
    """Kernels of 7 x 7 ones: the half plane through the centre towards each of the eight neighbours."""
    rows, cols = np.indices((7, 7)) - 3
    return [(rows * dr + cols * dc >= 0).astype(np.float64) for dr, dc in _AROUND]
