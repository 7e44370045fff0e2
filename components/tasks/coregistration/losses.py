"""What flow networks are trained on: the end-point error at every scale, and whether it is below a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow_estimate import Step

SURE_PX = 1.0  # confidence is the probability of an error below this
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
