"""Losses for learning a reflectivity from noisy images of it. Every one is debiased exactly: its minimum is log R.

``said`` is the network's log R, ``noisy`` the logarithm of an intensity that it has not seen (another date), all
(B, C, H, W); ``seen`` is 1 where a pixel counts and 0 elsewhere, and pixels that do not count may be NaN. Means
are over counting pixels; a batch without any costs 0. ``looks`` are those of ``noisy``; infinitely many mean that it
has no speckle, and nothing is debiased then.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import torch
import torch.nn.functional as F
from torch import Tensor

from components.raster.radiometry import amplitude_mean, log_mean, log_median

LEAST_POWER = 1e-12


def l2_log(said: Tensor, noisy: Tensor, seen: Tensor, looks: float) -> Tensor:
    """Mean squared error to the logarithm, less E[log S] = psi(L) - log L: minimal at the mean."""
    target, weight = _counting(noisy - log_bias(looks), seen)
    return _mean((said - target) ** 2, weight)


def l1_log(said: Tensor, noisy: Tensor, seen: Tensor, looks: float) -> Tensor:
    """Mean absolute error to the logarithm, less the median of log S: minimal at the median."""
    target, weight = _counting(noisy - (0.0 if looks == inf else log_median(looks)), seen)
    return _mean((said - target).abs(), weight)


def likelihood(said: Tensor, noisy: Tensor, seen: Tensor, looks: float) -> Tensor:
    """The negative log-likelihood of Gamma speckle, L (x - y + exp(y - x)), less a constant: needs no debiasing.

    Dalsasso, Denis and Tupin 2021 (SAR2SAR), https://doi.org/10.1109/JSTARS.2021.3071864, for L = 1.
    """
    target, weight = _counting(noisy, seen)
    apart = torch.where(weight > 0, target - said, 0)
    return (1.0 if looks == inf else looks) * _mean(apart.exp() - apart, weight)


def l2_amplitude(said: Tensor, noisy: Tensor, seen: Tensor, looks: float) -> Tensor:
    """Mean squared error of amplitudes, less the factor E[sqrt S]: minimal at the mean amplitude, which PSNR rewards.

    Relative to the mean amplitude of each image and band, so that dark ones count as much as bright ones.
    """
    bias = 0.0 if looks == inf else 2 * log(amplitude_mean(looks))
    target, weight = _counting(noisy - bias, seen)
    weight = weight.expand_as(said)
    amplitude = torch.where(weight > 0, target / 2, -inf).exp()
    level = amplitude.sum((-2, -1), keepdim=True) / weight.sum((-2, -1), keepdim=True).clamp_min(1)
    apart = (torch.where(weight > 0, said / 2, -inf).exp() - amplitude) / level.clamp_min(LEAST_POWER)
    return _mean(apart**2, weight)


def log_bias(looks: float) -> float:
    """E[log S] = psi(L) - log L; 0 without speckle."""
    return 0.0 if looks == inf else log_mean(looks)


def merlin(said: Tensor, part: Tensor, seen: Tensor) -> Tensor:
    """The negative log-likelihood of the real or imaginary ``part`` b of single-look pixels: x / 2 + b^2 exp(-x).

    The parts are independent given R and have variance R / 2, so ``said`` comes from the other part alone.
    Dalsasso, Denis and Tupin 2022 (MERLIN), https://doi.org/10.1109/TGRS.2021.3128621.
    """
    target, weight = _counting(part, seen)
    power = torch.log((target**2).clamp_min(LEAST_POWER))  # in the exponent: a factor of 0 times infinity is NaN
    apart = torch.where(weight > 0, said, 0)
    return _mean(apart / 2 + (power - apart).exp(), weight)


@dataclass(frozen=True)
class HistogramLoss:
    """Squared distance of local soft histograms of log-intensities, summed over bins, averaged over pixels.

    Boulch et al. 2018. ``bins`` triangular memberships span ``low`` to ``high`` (natural logarithms, after whatever
    normalisation the images had); values beyond count in the outermost bins. Neighbourhoods are squares of odd
    ``size_px`` and are normalised by the pixels that count in them. Zero where every neighbourhood holds the same
    values in any order. It compares with a *speckled* image, whose histogram is wide: pair it with a little `l2_log`.
    """

    low: float
    high: float
    bins: int = 32
    size_px: int = 9

    def __call__(self, said: Tensor, noisy: Tensor, seen: Tensor) -> Tensor:
        """The loss, a scalar; each channel has its own histograms."""
        target, weight = _counting(noisy, seen)
        shape = (-1, 1, *said.shape[-2:])
        count = weight.expand_as(said).reshape(shape)
        difference = self._memberships(said.reshape(shape)) - self._memberships(target.expand_as(said).reshape(shape))
        near = self._local(count)
        apart = self._local(difference * count) / near.clamp_min(1e-6)
        return _mean((apart**2).sum(1, keepdim=True), count)

    def _memberships(self, values: Tensor) -> Tensor:
        """Shares (N, bins, H, W) that sum to 1."""
        width = (self.high - self.low) / (self.bins - 1)
        centres = torch.linspace(self.low, self.high, self.bins, device=values.device, dtype=values.dtype)
        inside = values.clamp(self.low, self.high)
        return (1 - (inside - centres[:, None, None]).abs() / width).clamp_min(0)

    def _local(self, values: Tensor) -> Tensor:
        return F.avg_pool2d(values, self.size_px, stride=1, padding=self.size_px // 2)


def _counting(values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Values with 0 where they do not count, and the weights."""
    weight = (seen > 0) & torch.isfinite(values)
    return torch.where(weight, values, 0), weight.to(values.dtype)


def _mean(each: Tensor, weight: Tensor) -> Tensor:
    weights = weight.expand_as(each)
    return (each * weights).sum() / weights.sum().clamp_min(1)
