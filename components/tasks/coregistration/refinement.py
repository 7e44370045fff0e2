"""The flow of any method looked at again by template matching: what a network says to a pixel, windows say to less.

Networks answer on cells of 4 px and learn little of fractions in a short training; matching on orientation channels
finds them, but only searches a few pixels here, around what the network found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Self

import numpy as np

from components.errors import BadParams
from components.inference.method import Method, Outputs
from components.raster.scene import Scene, Value
from components.tasks.coregistration.filters import Flow, Image
from components.tasks.coregistration.lattice import Lattice, smooth_field
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import CONFIDENCE, FLOW, answer, pair_of
from components.tasks.coregistration.structure import Structure, brought_along, structure_of
from components.tasks.coregistration.template_settings import TemplateSettings, reach_px
from components.tasks.coregistration.templates import agreeing
from components.tasks.coregistration.views import grey, statistics_of
from components.tasks.coregistration.window_matching import Matches, match

NEAR = TemplateSettings(reach=4)  # px around the flow of the method: what a short training leaves it wrong by
LOOKS = 3  # the first is drawn towards whole pixels, the others see what is left near zero
BLEND_PX, HALO_STEP_PX = 32, 32


@dataclass(frozen=True)
class Refined:
    """A method whose flow is matched again within 4 px, in windows of 65 px on orientation channels of both scenes.

    The flow becomes as smooth as that of template matching. Where no window agrees with its neighbours, flow and
    confidence of the method stay what they were; elsewhere confidence is the share of windows that agree. Grey values
    are standardised by the tile where the method was not surveyed.
    """

    method: Method
    options: MethodOptions
    settings: TemplateSettings = field(default=NEAR)
    statistics: tuple[Image, Image] | None = None
    blend_px: int = BLEND_PX

    @property
    def halo_px(self) -> int | None:
        """That of the method and what matching sees beside."""
        inner = self.method.halo_px
        return None if inner is None else ceil((inner + reach_px(self.settings)) / HALO_STEP_PX) * HALO_STEP_PX

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Surveys the method, and takes the grey statistics of the whole scenes."""
        return replace(self, method=self.method.survey(scenes), statistics=self._statistics(scenes))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs of the method with the refined flow.

        Raises:
            BadScene: if the scenes are not those of the options, see `pair.pair_of`.
        """
        found = self.method.predict(scenes)
        pair = pair_of(scenes, self.options)
        first, second = self.statistics or self._statistics(scenes)
        structures = structure_of(grey(pair.reference, first)), structure_of(grey(pair.moving, second))
        said, trusted = found[FLOW], found[CONFIDENCE]
        assert isinstance(said, Scene)
        assert isinstance(trusted, Scene)
        flow, sure = looked_again(*structures, np.nan_to_num(said.array), self.settings)
        agrees = sure > 0
        return answer(pair, np.where(agrees, flow, said.array), np.where(agrees, sure, trusted.array[0]))

    def _statistics(self, scenes: Mapping[str, Value]) -> tuple[Image, Image]:
        pair = pair_of(scenes, self.options)
        return statistics_of(pair.reference), statistics_of(pair.moving)


def looked_again(
    reference: Structure, moving: Structure, flow: Flow, settings: TemplateSettings, looks: int = LOOKS
) -> tuple[Flow, Image]:
    """Flow ``(2, row, col)`` in px around a given one and the share of windows that agree ``(row, col)``, 0..1.

    Each look brings the moving features along the flow that is known so far, and matches what is left. Confidence is
    that of the first: later ones are drawn to agree, unrelated ground too.
    """
    lattice = Lattice.over(reference.known.shape, settings.step)
    nodes = np.s_[:, lattice.rows[:, None], lattice.cols]
    everywhere = np.ones((len(lattice.rows), len(lattice.cols)), np.float32)
    smooth, _ = smooth_field(flow[nodes], everywhere, lattice, reference.known.shape)
    sures: list[Image] = []
    for _ in range(looks):
        more = agreeing(match(reference, brought_along(moving, smooth), lattice, settings), settings)
        found = Matches(smooth[nodes] + more.flow, more.weight)
        smooth, sure = smooth_field(found.flow, found.weight, lattice, reference.known.shape)
        sures.append(sure)
    return smooth, sures[0]


def refined(method: Method) -> Refined:
    """Any method of this task, its flow matched again.

    Raises:
        BadParams: if it is a method of another task.
    """
    options = getattr(method, "options", None)
    if not isinstance(options, MethodOptions):
        raise BadParams("refine", "matches a flow between two scenes again; this run has none, leave it out")
    return Refined(method, options)
