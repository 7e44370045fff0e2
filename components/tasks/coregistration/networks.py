"""Networks as methods: what they see of a pair, how they are trained, what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from math import ceil, lcm
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.errors import VersionCorrupt
from components.inference.method import Arguments, Outputs
from components.inference.tiled import predict_whole
from components.raster.scene import Value
from components.tasks.bundle import load_module
from components.tasks.coregistration.batches import Statistics, batch_of
from components.tasks.coregistration.families import HALO_STEP_PX, Family
from components.tasks.coregistration.losses import confidence_loss, flow_loss
from components.tasks.coregistration.options import MethodOptions, SensorOptions
from components.tasks.coregistration.pair import MOVING, REFERENCE, Pair, answer, pair_of
from components.tasks.coregistration.refinement import NEAR, refined
from components.tasks.coregistration.template_settings import reach_px
from components.tasks.coregistration.views import grey, network_view, statistics_of
from components.tasks.seam import Batch, Sample, Samples, State

REFINING_PX = ceil(reach_px(NEAR) / HALO_STEP_PX) * HALO_STEP_PX  # what matching sees beyond the network
PAIRS = ("reference/moving", "moving/moving", "reference/reference")  # names of the losses: sensor against sensor


class FlowNetwork:
    """A network that answers a flow and how sure it is, from two views of a pair."""

    def __init__(self, options: MethodOptions, family: Family) -> None:
        self.options, self.family = options, family
        self.sensors = (REFERENCE, MOVING)  # whose encoder sees the reference, and whose the moving scene
        two = options.reference.sensor != options.moving.sensor
        self.module = family.make(options, 1 + two)
        self._tiled()
        self.statistics: Statistics | None = None

    def refining(self, *, refine: bool) -> Self:
        """The same network, whose flow is matched again (`refinement.refined`) or left as it is."""
        other = copy(self)
        other.options = self.options.model_copy(update={"refine": refine})
        other._tiled()
        return other

    def _tiled(self) -> None:
        """How tiles are cut: as the network needs it, and with ``refine`` as matching around its flow needs it."""
        halo_px, alignment_px = self.family.halo_px(self.options), self.family.alignment_px(self.options)
        if self.options.refine:
            halo_px, alignment_px = halo_px + REFINING_PX, lcm(alignment_px, NEAR.step)
        self.halo_px: int | None = halo_px
        self.blend_px, self.alignment_px = self.family.blend_px, alignment_px

    def between(self, sensor: str) -> Self:
        """The same network for pairs of one sensor, that of ``reference`` or ``moving``: it has an encoder for each.

        Such scenes resemble each other so well that matching again finds fractions of a pixel, so that is done.

        Raises:
            ValueError: if the network has no encoder for each sensor.
        """
        if not self.family.per_sensor:
            raise ValueError(f"{self.options.name} has no encoder for each sensor; use pwc-net-multimodal")
        one = copy(self)
        sides: dict[str, SensorOptions] = {REFERENCE: self.options.reference, MOVING: self.options.moving}
        one.options = self.options.model_copy(update={REFERENCE: sides[sensor], MOVING: sides[sensor]})
        one.sensors, one.statistics = (sensor, sensor), None
        return one.refining(refine=True)

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """The network with centre and scale of the whole scenes."""
        surveyed = copy(self)
        surveyed.statistics = _statistics(pair_of(scenes, self.options))
        return surveyed

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Flow and confidence; without a `survey` before, these scenes count as the whole scenes."""
        return predict_whole(self, scenes)

    def encode(self, scenes: Mapping[str, Value]) -> tuple[Arguments, Pair]:
        """The two views, each (channel, row, col), 0 where there is no pixel; and the pair for `decode`."""
        pair = pair_of(scenes, self.options)
        known = _statistics(pair) if self.statistics is None else self.statistics
        views = (grey(pair.reference, known[REFERENCE]), grey(pair.moving, known[MOVING]))
        return tuple(network_view(view, self.options) for view in views), pair

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """u, v in pixels and the probability of an error below 1 px: (B, 3, rows, cols)."""
        estimate = self.module(*arguments, **self._sides)
        return torch.cat([estimate.flow.float(), torch.sigmoid(estimate.logit.float())], dim=1)

    def decode(self, context: Pair, said: NDArray[np.float32]) -> Outputs:
        """Flow and confidence of a tile."""
        return self._answered(context, said[:2], said[2])

    def prepared_for(self, train: Samples) -> Self:
        """The network itself: each scene is standardised by its own statistics, none are learnt."""
        return self

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """The view, and what it is made of."""
        sides = {REFERENCE: self.options.reference, MOVING: self.options.moving}
        bands = {name: {"bands": list(side.canonical_bands), "unit": side.unit} for name, side in sides.items()}
        return {"view": self.options.view, **bands}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Tensors of samples of one size.

        ``images`` are the views (B, C, H, W) of reference and moving, and of their twins where the network learns
        from them; ``flow`` (B, 2, H, W) is NaN where unknown; ``related`` (B,) says whether there is one. Training
        crops get a random radiometry that is a function of their name alone.
        """
        return batch_of(samples, self.options, twins=self.family.twinned)

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """End-point errors of the pairs of sensors, weighed alike, and the cross-entropy of the confidence.

        Networks with an encoder for each sensor learn three pairs at once: two sensors, and either with itself.
        Others learn the pair of two sensors alone.
        """
        estimate = module(*batch["images"], **self._sides)
        truth, count = batch["flow"], len(batch["flow"])
        shown = len(estimate.flow) // count
        losses = {}
        for index, name in enumerate(PAIRS[:shown]):
            part = slice(index * count, (index + 1) * count)
            losses[name] = flow_loss([step._replace(flow=step.flow[part]) for step in estimate.steps], truth)
        repeated = truth.repeat(shown, 1, 1, 1), batch["related"].repeat(shown)
        losses["confidence"] = confidence_loss(estimate.logit.float(), estimate.flow.float(), *repeated)
        return losses

    def restored(self, state: State, preprocessing: Mapping[str, Any]) -> Self:
        """The network with learnt numbers.

        Raises:
            VersionCorrupt: if a name, shape or dtype is not the network's, or it learnt from other bands or units.
        """
        if dict(preprocessing) != dict(self.preprocessing):
            raise VersionCorrupt(
                f"coregistration {self.options.name}",
                f"it was trained on {dict(preprocessing)}, and this run shows it {dict(self.preprocessing)}",
            )
        ready = copy(self)
        load_module(ready.module, state, f"coregistration {self.options.name}")
        return ready

    def _answered(self, pair: Pair, flow: NDArray[np.float32], sure: NDArray[np.float32]) -> Outputs:
        """The outputs of a tile; with ``refine`` after the flow was matched again."""
        if not self.options.refine:
            return answer(pair, flow, sure)
        known = _statistics(pair) if self.statistics is None else self.statistics
        images = grey(pair.reference, known[REFERENCE]), grey(pair.moving, known[MOVING])
        return answer(pair, *refined(*images, flow, sure))

    @property
    def _sides(self) -> dict[str, tuple[int, int]]:
        """Which encoder sees which image, for networks that have several."""
        if not self.family.per_sensor:
            return {}
        return {"sensors": ((REFERENCE, MOVING).index(self.sensors[0]), (REFERENCE, MOVING).index(self.sensors[1]))}


def _statistics(pair: Pair) -> Statistics:
    return {REFERENCE: statistics_of(pair.reference), MOVING: statistics_of(pair.moving)}
