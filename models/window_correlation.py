"""Normalised correlation of the windows about pixels: how template matching scores a displacement, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.correlation import correlation

LEAST_ENERGY, LEAST_RATIO = 1e-6, 1e-3  # a window without structure, and one that has little beside the other


def window_correlation(first: Tensor, second: Tensor, radius: int, reach: int, stride: int = 1) -> Tensor:
    """Correlation -1..1 of windows of ``2 radius + 1`` cells, of every displacement: (B, (2 reach + 1)^2, h, w).

    ``first`` and ``second`` are features (B, C, H, W), 0 outside; each channel of a window is centred by its mean.
    Displacements run as in `models.correlation`; only every ``stride``-th row and column of the reference is scored.
    """
    channels = first.shape[1]
    means, moved = _mean(first, radius), _mean(second, radius)
    own = _energy(first, means, radius)[..., ::stride, ::stride]
    other = _shifted(_energy(second, moved, radius), reach, stride)[:, 0]
    sums = channels * correlation(first, second, reach)
    products = F.avg_pool2d(sums, 2 * radius + 1, stride, padding=radius)
    centres = (means[:, :, None, ::stride, ::stride] * _shifted(moved, reach, stride)).sum(1)
    return (products - centres) * torch.rsqrt(own * torch.maximum(other, LEAST_RATIO * own))


def _mean(image: Tensor, radius: int) -> Tensor:
    """The mean over each window, with zeros outside; ratios of two such means are unbiased."""
    return F.avg_pool2d(image, 2 * radius + 1, 1, padding=radius)


def _energy(features: Tensor, means: Tensor, radius: int) -> Tensor:
    """Mean square (B, 1, H, W) of the centred features of each window."""
    squares = _mean(features.square().sum(1, keepdim=True), radius)
    return (squares - means.square().sum(1, keepdim=True)).clamp_min(LEAST_ENERGY)


def _shifted(image: Tensor, reach: int, stride: int) -> Tensor:
    """``image`` (B, C, H, W) at every displacement: (B, C, (2 reach + 1)^2, h, w)."""
    rows, cols = image.shape[-2:]
    wide, span = F.pad(image, (reach,) * 4), range(2 * reach + 1)
    return torch.stack([wide[..., dy : dy + rows : stride, dx : dx + cols : stride] for dy in span for dx in span], 2)
