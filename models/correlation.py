"""Local cost volume: how alike each pixel is to every neighbour of it in the other image.

As in FlowNetC and PWC-Net (Sun et al. 2018, https://arxiv.org/abs/1709.02371), without a hand-written kernel. For each
row shift, blocks of columns are multiplied with the columns that they can reach, and the band of the product that
is asked for is cut out: a little more arithmetic than needed, yet all of it matrix products, and two to three times as
fast forwards and backwards on a CPU as one product of shifted images for each displacement.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16  # columns multiplied at once: larger blocks waste more of each product, smaller ones copy more


def correlation(first: Tensor, second: Tensor, reach: int) -> Tensor:
    """Mean over channels of first(x) second(x + d) for every d within ``reach``: (B, (2 reach + 1)^2, H, W).

    Displacements run along rows first: channel ``(dy + reach) * (2 reach + 1) + dx + reach``. ``second`` is 0
    outside of its image. Both are (B, C, H, W).
    """
    span, (channels, rows, cols) = 2 * reach + 1, first.shape[1:]
    more = -cols % BLOCK
    wide = BLOCK + 2 * reach
    first = F.pad(first, (0, more)) / channels
    blocks = first.unfold(3, BLOCK, BLOCK).permute(0, 2, 3, 4, 1).contiguous()  # (B, H, block, column, C)
    padded = F.pad(second, (reach, reach + more, reach, reach))
    around = padded.unfold(3, wide, BLOCK).permute(0, 2, 3, 1, 4).contiguous()  # (B, H + 2 reach, block, C, column)
    bands = [_band(blocks @ around[:, dy : dy + rows], span) for dy in range(span)]
    volume = torch.stack(bands, 1).permute(0, 1, 5, 2, 3, 4)  # (B, dy, dx, H, block, column)
    return volume.reshape(len(first), span**2, rows, cols + more)[..., :cols]


def _band(products: Tensor, span: int) -> Tensor:
    """Entries i, i + 1, ..., i + span - 1 of each row i of (..., n, m): one more column a row skews the matrix."""
    rows, cols = products.shape[-2:]
    return F.pad(products.flatten(-2), (0, rows)).reshape(*products.shape[:-1], cols + 1)[..., :span]
