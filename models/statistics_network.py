"""A small network on statistics of series: each pixel's own numbers, and those of its surroundings up to 8 px away.

Four 3 x 3 convolutions, dilated 1, 2, 4, 1, and one of 1 x 1, rectified between (dilations to see far with few
weights: Yu and Koltun 2016, https://arxiv.org/abs/1511.07122). The order of dates is in the statistics, not here, so a
series of any length fits. No pooling and no normalisation layers: tiles with context answer like the whole.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 4, 1)
RECEPTIVE_PX = sum(DILATIONS)  # no pixel farther away counts (a test measures it)
STRIDE_PX = 1


class StatisticsNetwork(nn.Module):
    """``channels`` statistics in, one logit out."""

    def __init__(self, channels: int, width: int = 24) -> None:
        super().__init__()
        widths = [channels, *[width] * len(DILATIONS)]
        pairs = zip(widths, widths[1:], DILATIONS, strict=False)
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 3, padding=d, dilation=d) for i, o, d in pairs)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of change (B, 1, H, W) from statistics (B, channels, H, W); any size."""
        for layer in self.layers:
            x = F.relu(layer(x))
        said: Tensor = self.head(x)
        return said
