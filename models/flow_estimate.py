"""What every flow network answers, and the pieces that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1  # of the leaky rectifiers
FLOW_UNIT_PX = 20.0  # networks regress flows in this unit
FIRST_FLOW = 0.01  # of the usual deviation: weights of a layer that says a flow, before training


class Step(NamedTuple):
    """One estimate on the way: flow (B, 2, h, w) in pixels of the full image, on a grid ``stride`` times coarser.

    Where the network grew the images to a multiple of its stride, so is the step. ``weight`` is its share in the loss,
    which takes the mean over its pixels.
    """

    flow: Tensor
    stride: int
    weight: float


class Estimate(NamedTuple):
    """Flow (B, 2, H, W) in pixels; logit (B, 1, H, W) of its being less than 1 px wrong; the steps to it."""

    flow: Tensor
    logit: Tensor
    steps: tuple[Step, ...]


class ConfidenceHead(nn.Module):
    """A logit from features that it does not change: what is learnt of confidence leaves the flow alone."""

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, width), convolution(width, width))
        self.logit = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, *features: Tensor) -> Tensor:
        """Logit (B, 1, h, w) from features (B, C, h, w) of one size."""
        seen = torch.cat([each.detach() for each in features], dim=1)
        return self.logit(self.layers(seen))  # type: ignore[no-any-return]


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (but for the stride), and a leaky rectifier."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation), nn.LeakyReLU(SLOPE))


class FlowConvolution(nn.Conv2d):
    """The layer that says a flow; before training it says little, so that the first warps stay in the image."""


def flow_convolution(inputs: int) -> FlowConvolution:
    """Flow (B, 2, H, W) in its unit from ``inputs`` channels."""
    return FlowConvolution(inputs, 2, 3, padding=1)


def initialise(module: nn.Module) -> None:
    """Weights of He et al. 2015 in every convolution, so that signals neither die out nor grow; biases 0."""
    for each in module.modules():
        if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(each.weight, a=SLOPE)
            if isinstance(each, FlowConvolution):
                each.weight.data *= FIRST_FLOW
            if each.bias is not None:
                nn.init.zeros_(each.bias)


def scaled(channels: Sequence[int], width: float) -> tuple[int, ...]:
    """Channels times ``width``, at least 4 and a multiple of 4."""
    return tuple(max(4, round(count * width / 4) * 4) if width != 1 else count for count in channels)


def grown(image: Tensor, stride: int) -> Tensor:
    """(B, C, H, W) with its last row and column repeated up to multiples of ``stride``."""
    rows, cols = (-side % stride for side in image.shape[-2:])
    return F.pad(image, (0, cols, 0, rows), mode="replicate") if rows or cols else image


def resized(image: Tensor, factor: int, shape: Sequence[int] | None = None) -> Tensor:
    """Bilinear, pixel centres kept in place; cut to the (rows, cols) of ``shape``."""
    large = F.interpolate(image, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return large if shape is None else large[..., : shape[0], : shape[1]]


def unit_length(features: Tensor) -> Tensor:
    """Features (B, C, h, w) with mean square 1 over the channels of each pixel: their correlation is in -1..1."""
    return features * torch.rsqrt(features.float().square().mean(1, keepdim=True) + 1e-6)
