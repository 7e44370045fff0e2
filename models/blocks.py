"""Pieces that several network families share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_like(small: Tensor, like: Tensor) -> Tensor:
    """``small`` (B, C, h, w) grown to the rows and columns of ``like`` by repeating its last row and column.

    Pooling drops the last row or column of an odd size and stride-2 upsampling cannot know that it was there.
    """
    rows, cols = like.shape[-2] - small.shape[-2], like.shape[-1] - small.shape[-1]
    return small if rows == cols == 0 else F.pad(small, (0, cols, 0, rows), mode="replicate")
