"""A small residual U-Net on one stack of channels, for few and small scenes.

Ronneberger et al. 2015 (U-Net, https://arxiv.org/abs/1505.04597) with the residual blocks of He et al. 2016.
It knows nothing of dates: what differs between them is handed in as channels. Normalised over the channels of each
pixel (layer norm, Ba et al. 2016, https://arxiv.org/abs/1607.06450, as ConvNeXt does): few scenes give poor batch
statistics, and group norm would let an answer depend on the whole image, so that tiles could not be stitched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import pad_like

LEVELS = 4
STRIDE_PX = 2 ** (LEVELS - 1)  # answers repeat exactly only under shifts by multiples of this
RECEPTIVE_PX = 56  # no pixel farther away counts, in any alignment (a test measures it)
DROPOUT = 0.2
LEAST_VARIANCE = 1e-2  # a pixel where nothing stands out is not blown up into one where something does


class _ChannelNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of each pixel, then a learnt gain and offset a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.offset = (nn.Parameter(start(channels, 1, 1)) for start in (torch.ones, torch.zeros))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(1, keepdim=True)
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + LEAST_VARIANCE) * self.gain + self.offset


class _Block(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(inputs, width, 3, padding=1), _ChannelNorm(width)
        self.second, self.norm2 = nn.Conv2d(width, width, 3, padding=1), _ChannelNorm(width)
        self.shortcut = nn.Conv2d(inputs, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(inner + self.shortcut(x))


class IndexUNet(nn.Module):
    """Four levels of ``width``, 2, 4 and 8 times ``width`` channels; dropout at the deepest."""

    def __init__(self, channels: int, classes: int, width: int = 8) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(_Block(n, w) for n, w in zip((channels, *widths), widths, strict=False))
        self.up = nn.ModuleList(_Block(2 * w + w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities (B, classes, H, W) from channels (B, channels, H, W); H and W at least 8."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        x = F.dropout2d(x, DROPOUT, self.training)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(torch.cat([pad_like(F.interpolate(x, scale_factor=2.0), skip), skip], dim=1))  # (B, 3w, h, w)
        return F.log_softmax(self.head(x), dim=1)
