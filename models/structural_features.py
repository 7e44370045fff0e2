"""Features of edges that two sensors share, learnt: what template matching compares in place of orientation channels.

Dense features of a network for each sensor, compared by windows and trained on the correlation surface, in the manner
of Zhang, Lei, Ni, Tang, Wu, Xiang and Kuang 2022, Optical and SAR Image Matching Using Pixelwise Deep Dense Features,
https://doi.org/10.1109/LGRS.2020.3039473. Departures: the network corrects orientation channels (CFOG) rather than
finding features of its own, so it begins as good as these; the loss is the cross-entropy of the true displacement;
features are half as fine as the image. Written from the paper's description.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow_estimate import SLOPE, grown, initialise, scaled
from models.sensor_encoders import SensorEncoders, pairs_of

STRIDE_PX = 2
WIDTH, FEATURES = 32, 16
DILATIONS = (1, 2, 4, 2, 1)
REACH_PX = 2 * (3 + sum(DILATIONS) + 1)  # no pixel farther away changes a feature
CORRECTION = 0.05  # of the usual deviation: what the last layer adds before training
FLOOR = 0.05  # where there is hardly any structure, features stay shorter than 1
TINY = 1e-12
SHARPNESS = 25.0  # softmax of correlations -1..1


class StructuralFeatures(nn.Module):
    """Features (B, 16, h, w) of images (B, 1 + orientations, H, W): grey values and orientation channels.

    ``sensors`` encoders have weights of their own; ``width`` is a factor on their 32 channels.
    """

    def __init__(self, orientations: int, width: float = 1.0, sensors: int = 2) -> None:
        super().__init__()
        (channels,) = scaled((WIDTH,), width)
        self.encoders = SensorEncoders(partial(_Encoder, orientations, channels), sensors)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.encoders.start_alike()

    def forward(self, *images: Tensor, sensors: tuple[int, int] = (0, 1)) -> tuple[Tensor, Tensor]:
        """Features of the reference and of the moving image, at most of unit length, on cells of 2 x 2 px."""
        first, second = self.encoders(pairs_of([grown(each, STRIDE_PX) for each in images], sensors))
        return first[0], second[0]


class _Encoder(nn.Module):
    def __init__(self, orientations: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1 + orientations, width, 6, STRIDE_PX, padding=2)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=each, dilation=each) for each in DILATIONS)
        self.last = nn.Conv2d(width, FEATURES, 3, padding=1)
        initialise(self)
        self.last.weight.data *= CORRECTION

    def forward(self, image: Tensor) -> tuple[Tensor]:
        seen = F.leaky_relu(self.first(image), SLOPE)
        for layer in self.layers:
            seen = seen + F.leaky_relu(layer(seen), SLOPE) / 2
        known = F.avg_pool2d(image[:, 1:], STRIDE_PX)
        features = self.last(seen) + F.pad(known, (0, 0, 0, 0, 0, FEATURES - known.shape[1]))
        length = (features.square().sum(1, keepdim=True) + TINY).sqrt()  # at 0 the root has no gradient
        return (features / (length + FLOOR),)
