"""Several networks of one kind, trained side by side on the same batches; their answers are averaged.

Lakshminarayanan et al. 2017, Simple and scalable predictive uncertainty estimation using deep ensembles,
https://arxiv.org/abs/1612.01474, without adversarial training: members differ by their first weights and dropout.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Committee(nn.Module):
    """``count`` networks made by ``make``, each with weights of its own."""

    def __init__(self, make: Callable[[], nn.Module], count: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(make() for _ in range(count))

    def forward(self, *images: Tensor) -> Tensor:
        """What each member answers, (member, B, classes, H, W)."""
        return torch.stack([member(*images) for member in self.members])
