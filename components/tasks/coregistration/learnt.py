"""Template matching on learnt features: a network says what resembles what, windows say where it lies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.inference.method import Outputs
from components.tasks.coregistration.filters import Mask
from components.tasks.coregistration.losses import matching_loss
from components.tasks.coregistration.networks import FlowNetwork
from components.tasks.coregistration.pair import Pair
from components.tasks.coregistration.structure import Structure, away_from_holes, coarsened
from components.tasks.coregistration.templates import matched
from components.tasks.seam import Batch
from models.structural_features import FEATURES, STRIDE_PX
from models.window_correlation import window_correlation

SCORED_CELLS = 4  # every fourth window of a crop is trained on: neighbours say the same


class LearntTemplates(FlowNetwork):
    """Features of both scenes come from the network; matching, its settings and its confidence are those of templates.

    Two scenes of one sensor go through one encoder (`between`), so a scene is where it is with respect to itself.
    """

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """Features of both scenes (B, 32, rows / 2, cols / 2)."""
        return torch.cat([each.float() for each in self.module(*arguments, **self._sides)], dim=1)

    def decode(self, context: Pair, said: NDArray[np.float32]) -> Outputs:
        """Flow and confidence of a tile, matched with the settings of the options."""
        known = (context.reference.valid, context.moving.valid)
        first, second = (_structure(part, mask) for part, mask in zip(np.split(said, [FEATURES]), known, strict=True))
        return self._answered(context, *matched(first, second, context.grid.shape, self.options.templates))

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Cross-entropy of the true displacement of windows over all displacements within reach."""
        settings = self.options.templates.in_cells
        first, second = module(*batch["images"][:2], **self._sides)
        scores = window_correlation(first, second, settings.radius, settings.reach, SCORED_CELLS)
        sharpness = module.get_parameter("log_sharpness").exp()
        return {"matching": matching_loss(sharpness * scores, batch["flow"], STRIDE_PX, SCORED_CELLS, settings.radius)}


def _structure(channels: NDArray[np.float32], valid: Mask) -> Structure:
    known = coarsened(Structure(np.zeros((1, *valid.shape), np.float32), away_from_holes(valid)), STRIDE_PX).known
    return Structure(np.asarray(channels * known, dtype=np.float32), known)
