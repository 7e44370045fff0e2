"""FC-EF, FC-Siam-conc and FC-Siam-diff: U-Nets for change between two images.

Daudt, Le Saux, Boulch: Fully convolutional siamese networks for change detection, ICIP 2018,
https://doi.org/10.1109/ICIP.2018.8451652. Widths, dropout and the output (log-softmax) are the paper's;
the bottleneck comes from the second image only, as in the authors' code, so even FC-Siam-diff answers
differently when the dates are swapped. Our one addition is the option ``symmetric`` of `FCSiamDiff`.

Sizes need not be multiples of 16: what pooling drops is replicated on the way up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import pad_like

ENCODER = ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128))  # output widths of each stage's convolutions
DECODER = ((128, 128, 64), (64, 64, 32), (32, 16), (16,))  # from the deepest stage up; the head follows
STRIDE_PX = 16  # four poolings: answers repeat exactly only under shifts by multiples of this
RECEPTIVE_PX = 114  # no pixel farther away counts, in any of the 16 alignments (a test measures it)
DROPOUT = 0.2


class _Stage(nn.Module):
    """3x3 convolutions, each with batch norm, ReLU and spatial dropout."""

    def __init__(self, inputs: int, widths: tuple[int, ...], transposed: bool = False) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        layers: list[nn.Module] = []
        for width in widths:
            layers += [kind(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout2d(DROPOUT)]
            inputs = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class _Encoder(nn.Module):
    """Four stages with 2x2 max pooling after each."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        before = (inputs, *(widths[-1] for widths in ENCODER))
        self.stages = nn.ModuleList(_Stage(n, widths) for n, widths in zip(before, ENCODER, strict=False))

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Skips (from fine to coarse, at scales 1, 2, 4, 8) and the bottleneck (B, 128, H/16, W/16)."""
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        return skips, x


class _Decoder(nn.Module):
    """Up-convolution, skip, convolutions, four times; ``branches`` skips are stacked at each scale."""

    def __init__(self, classes: int, branches: int) -> None:
        super().__init__()
        wide = [widths[-1] for widths in reversed(ENCODER)]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(n, n, 3, stride=2, padding=1, output_padding=1) for n in wide)
        self.stages = nn.ModuleList(
            _Stage(n * (1 + branches), widths, transposed=True) for n, widths in zip(wide, DECODER, strict=True)
        )
        self.head = nn.ConvTranspose2d(DECODER[-1][-1], classes, 3, padding=1)

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for up, stage, skip in zip(self.ups, self.stages, reversed(skips), strict=True):
            x = stage(torch.cat([pad_like(up(x), skip), skip], dim=1))
        return F.log_softmax(self.head(x), dim=1)


class FCEF(nn.Module):
    """Early fusion: both dates stacked at the input."""

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(2 * bands), _Decoder(classes, branches=1)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Log-probabilities (B, classes, H, W) from two images (B, bands, H, W); H and W at least 16."""
        skips, x = self.encoder(torch.cat([before, after], dim=1))
        return self.decoder(x, skips)  # type: ignore[no-any-return]


class FCSiamConc(nn.Module):
    """One encoder for both dates; the decoder sees both skips stacked."""

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(bands), _Decoder(classes, branches=2)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Log-probabilities (B, classes, H, W) from two images (B, bands, H, W); H and W at least 16."""
        first, _ = self.encoder(before)
        second, x = self.encoder(after)
        return self.decoder(x, [torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)])  # type: ignore[no-any-return]


class FCSiamDiff(nn.Module):
    """One encoder for both dates; the decoder sees the absolute difference of the skips.

    ``symmetric`` (not in the paper) takes the difference in the bottleneck too: swapped dates, same answer.
    """

    def __init__(self, bands: int, classes: int, symmetric: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(bands), _Decoder(classes, branches=1)
        self.symmetric = symmetric

    def skips(self, before: Tensor, after: Tensor) -> list[Tensor]:
        """Absolute differences of the encoder's features from fine to coarse; the same for swapped dates."""
        first, second = self.encoder(before)[0], self.encoder(after)[0]
        return [(a - b).abs() for a, b in zip(first, second, strict=True)]

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Log-probabilities (B, classes, H, W) from two images (B, bands, H, W); H and W at least 16."""
        first, early = self.encoder(before)
        second, x = self.encoder(after)
        x = (x - early).abs() if self.symmetric else x
        return self.decoder(x, [(a - b).abs() for a, b in zip(first, second, strict=True)])  # type: ignore[no-any-return]
