"""Backward warping of features by a flow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SLACK_PX = 1e-4  # a sample this far outside still counts as inside: the mask threshold 0.9999 of PWC-Net


def warp_features(features: Tensor, flow: Tensor) -> Tensor:
    """``features`` (B, C, H, W) at x + flow(x), bilinear, and 0 where that lies outside of the image.

    ``flow`` (B, 2, H, W) is in pixels of the features: u along columns, v along rows.
    """
    rows, cols = features.shape[-2:]
    x = torch.arange(cols, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(rows, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    inside = (x >= -SLACK_PX) & (x <= cols - 1 + SLACK_PX) & (y >= -SLACK_PX) & (y <= rows - 1 + SLACK_PX)
    grid = torch.stack([(2 * x + 1) / cols - 1, (2 * y + 1) / rows - 1], dim=-1)
    warped = F.grid_sample(features, grid.to(features.dtype), padding_mode="border", align_corners=False)
    return warped * inside[:, None]
