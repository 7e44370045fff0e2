"""FC-EF-Res: early fusion with residual blocks, the deeper and narrower sibling of FC-EF.

Daudt, Le Saux, Boulch, Gousseau: Multitask learning for large-scale semantic change detection, CVIU 2019,
https://doi.org/10.1016/j.cviu.2019.07.003 (there called FC-EF-Res; FresUNet in the authors' code).
Widths, pooling inside the block and the output (log-softmax) are the authors'. No departure.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import pad_like

WIDTHS = (8, 16, 32, 64, 128)
STRIDE_PX = 16  # four poolings: answers repeat exactly only under shifts by multiples of this
RECEPTIVE_PX = 180  # no pixel farther away counts, in any of the 16 alignments (a test measures it)


class _Block(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut; ``pool`` halves the size after the first of them."""

    def __init__(self, inputs: int, width: int, pool: bool = False) -> None:
        super().__init__()
        self.pool = pool
        self.first, self.norm1 = nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width)
        self.second, self.norm2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        same = inputs == width and not pool
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(inputs, width, 1), nn.BatchNorm2d(width))
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(x)
        if self.pool:
            inner, x = F.max_pool2d(inner, 2), F.max_pool2d(x, 2)
        inner = self.norm2(self.second(F.relu(self.norm1(inner))))
        return F.relu(inner + self.shortcut(x))


class _UpBlock(nn.Module):
    """Doubles the size and halves the width, in both paths by a stride-2 transposed convolution."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        width = inputs // 2
        self.first, self.norm1 = _doubling(inputs, width), nn.BatchNorm2d(width)
        self.second, self.norm2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential(_doubling(inputs, width), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(inner + self.shortcut(x))


def _doubling(inputs: int, width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, width, 3, stride=2, padding=1, output_padding=1)


class FCEFRes(nn.Module):
    """Both dates stacked at the input, residual blocks of widths 8, 16, 32, 64, 128."""

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        before = (2 * bands, *WIDTHS[1:-1])
        self.level = nn.ModuleList(_Block(n, width) for n, width in zip(before, WIDTHS, strict=False))
        self.down = nn.ModuleList(_Block(width, 2 * width, pool=True) for width in WIDTHS[:-1])
        self.merge = nn.ModuleList([_Block(WIDTHS[-1], WIDTHS[-1])])
        self.merge.extend(_Block(2 * width, width) for width in reversed(WIDTHS[1:-1]))
        self.up = nn.ModuleList(_UpBlock(width) for width in reversed(WIDTHS[1:]))
        self.head = nn.Conv2d(2 * WIDTHS[0], classes, 1)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Log-probabilities (B, classes, H, W) from two images (B, bands, H, W); H and W at least 16."""
        x, skips = torch.cat([before, after], dim=1), []
        for level, down in zip(self.level, self.down, strict=True):
            skips.append(level(x))
            x = down(skips[-1])
        for merge, up, skip in zip(self.merge, self.up, reversed(skips), strict=True):
            x = torch.cat([pad_like(up(merge(x)), skip), skip], dim=1)
        return F.log_softmax(self.head(x), dim=1)
