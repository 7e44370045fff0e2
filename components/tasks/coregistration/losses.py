"""What flow networks are trained on: the end-point error at every scale, and whether it is below a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow_estimate import Step

SURE_PX = 1.0  # confidence is the probability of an error below this
SPREAD_CELLS = 0.5  # deviation of a true displacement over its neighbours
LEAST_PX = 1e-3  # rounds off the norm at 0, where it has no gradient


def flow_loss(steps: Sequence[Step], truth: Tensor) -> Tensor:
    """Mean end-point error in pixels, averaged over the steps by their weights; 0 where nothing is known.

    ``truth`` (B, 2, H, W) is NaN where unknown. A coarse step is held against the mean truth of its cells.
    """
    total = sum(step.weight for step in steps)
    terms = [step.weight / total * _masked_mean(*_errors(step, truth)) for step in steps]
    return torch.stack(terms).sum()


def confidence_loss(logit: Tensor, flow: Tensor, truth: Tensor, related: Tensor) -> Tensor:
    """Cross-entropy of the logit (B, 1, H, W) against "the flow (B, 2, H, W) is less than 1 px wrong".

    ``related`` (B,) is false where the images show two places: there every confidence is wrong. Pixels of related
    images without known truth do not count. The flow is not changed through its errors.
    """
    known = torch.isfinite(truth).all(1)
    errors = (flow.detach() - torch.nan_to_num(truth)).square().sum(1).sqrt()
    paired = related[:, None, None]
    right = (errors < SURE_PX) & known & paired
    each = F.binary_cross_entropy_with_logits(logit[:, 0], right.to(logit.dtype), reduction="none")
    return _masked_mean(each, known | ~paired)


def matching_loss(logits: Tensor, truth: Tensor, cell: int, stride: int, margin: int) -> Tensor:
    """Cross-entropy of the true displacement over all those of `models.window_correlation`; 0 where none counts.

    ``logits`` (B, (2 reach + 1)^2, h, w) belong to every ``stride``-th cell of ``cell`` px. ``truth`` (B, 2, H, W), px,
    is NaN where unknown; it is spread over its neighbours as a Gaussian, so that the peak lies between them where it
    should. Windows within ``margin`` cells of the border, and displacements beyond the reach, do not count.
    """
    reach = (math.isqrt(logits.shape[1]) - 1) // 2
    mean, share = _coarsened(truth, [-(-side // cell) for side in truth.shape[-2:]], cell)
    within = np.s_[..., margin : mean.shape[-2] - margin, margin : mean.shape[-1] - margin]
    counted = torch.zeros_like(share)
    counted[within] = share[within]
    mean, counted = mean[..., ::stride, ::stride] / cell, counted[..., ::stride, ::stride]
    counted = (counted > 0) & (mean.abs() <= reach - 1).all(1)
    along = torch.arange(-reach, reach + 1, device=logits.device)[:, None, None]
    u, v = (torch.softmax(-0.5 * ((along - mean[:, [axis]]) / SPREAD_CELLS) ** 2, dim=1) for axis in (0, 1))
    target = (v[:, :, None] * u[:, None]).flatten(1, 2)
    return _masked_mean(-(target * logits.float().log_softmax(dim=1)).sum(1), counted)


def _errors(step: Step, truth: Tensor) -> tuple[Tensor, Tensor]:
    """End-point errors (B, h, w) of a step and where they are known."""
    mean, share = _coarsened(truth, step.flow.shape[-2:], step.stride)
    errors = ((step.flow.float() - mean).square().sum(1) + LEAST_PX**2).sqrt()
    return errors, share > 0


def _coarsened(truth: Tensor, shape: Sequence[int], stride: int) -> tuple[Tensor, Tensor]:
    """Mean (B, 2, h, w) of what is known in each cell of ``stride`` pixels, and the known share (B, h, w) of it."""
    more = [side * stride - length for side, length in zip(shape, truth.shape[-2:], strict=True)]
    truth = F.pad(truth, (0, more[1], 0, more[0]), value=float("nan"))
    known = torch.isfinite(truth).all(1, keepdim=True)
    filled = torch.where(known, truth, torch.zeros_like(truth))
    share = F.avg_pool2d(known.to(truth.dtype), stride)
    return F.avg_pool2d(filled, stride) / share.clamp_min(1e-6), share[:, 0]


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp_min(1)
