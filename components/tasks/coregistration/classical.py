"""Co-registration without training, behind the seam: what a network must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Self

import numpy as np
from numpy.typing import NDArray

from components.inference.method import Method, Outputs
from components.raster.scene import Value
from components.tasks.coregistration import consistency, templates
from components.tasks.coregistration.filters import Flow, Image
from components.tasks.coregistration.options import ClassicalName, MethodOptions
from components.tasks.coregistration.pair import Pair, answer, pair_of
from components.tasks.coregistration.shift import Shift, phase_correlation
from components.tasks.coregistration.template_settings import reach_px
from components.tasks.coregistration.views import grey, statistics_of

Matcher = Callable[[Image, Image], tuple[Flow, Image]]  # two grey images to flow (2, row, col), confidence (row, col)
Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]  # of the reference and of the moving scene


def _gefolki(options: MethodOptions) -> tuple[Matcher, int]:
    settings = options.gefolki
    return partial(consistency.trusted, settings=settings), 4 * max(settings.radii)


def _templates(options: MethodOptions) -> tuple[Matcher, int]:
    settings = options.templates
    return partial(templates.estimate, settings=settings), reach_px(settings)


# How each is made of the options, and how far away a pixel may be that counts.
MATCHERS: Mapping[ClassicalName, Callable[[MethodOptions], tuple[Matcher, int]]] = {
    "gefolki": _gefolki,
    "templates": _templates,
}
BLEND_PX, HALO_STEP_PX = 32, 32


@dataclass(frozen=True)
class ZeroFlow:
    """Leaves the moving scene where it is, and trusts itself nowhere: the control that costs nothing."""

    options: MethodOptions
    halo_px: int | None = 0
    needs_survey: bool = False

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Nothing to learn from the scenes."""
        return self

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Zero everywhere."""
        pair = pair_of(scenes, self.options)
        return answer(pair, np.zeros((2, *pair.grid.shape), np.float32), np.zeros(pair.grid.shape, np.float32))


@dataclass(frozen=True)
class PhaseCorrelation:
    """One shift for the whole scene, see `shift.phase_correlation`; its confidence is the same everywhere."""

    options: MethodOptions
    found: Shift | None = None
    halo_px: int | None = 0

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the shift of the whole scene."""
        pair = pair_of(scenes, self.options)
        return replace(self, found=phase_correlation(*_greys(pair, _statistics(pair))))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """That shift everywhere; without a survey it is that of these scenes."""
        if self.found is None:
            return self.survey(scenes).predict(scenes)
        pair = pair_of(scenes, self.options)
        return answer(pair, self.found.flow(pair.grid.shape), np.full(pair.grid.shape, self.found.confidence))


@dataclass(frozen=True)
class DenseMatching:
    """A flow for every pixel from the surroundings of that pixel: GeFolki, or template matching.

    What a place is matched with lies within the halo but for the coarsest windows, so neighbouring tiles are blended.
    """

    options: MethodOptions
    match: Matcher
    halo_px: int | None
    blend_px: int = BLEND_PX
    statistics: Statistics | None = None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the grey statistics of the whole scenes."""
        return replace(self, statistics=_statistics(pair_of(scenes, self.options)))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Flow and confidence; without a survey the statistics are those of these scenes."""
        pair = pair_of(scenes, self.options)
        return answer(pair, *self.match(*_greys(pair, self.statistics or _statistics(pair))))


CLASSICAL: tuple[ClassicalName, ...] = ("zero-flow", "phase-correlation", *MATCHERS)


def classical(name: ClassicalName, options: MethodOptions) -> Method:
    """The method of that name for the sensors of a run."""
    if name == "zero-flow":
        return ZeroFlow(options)
    if name == "phase-correlation":
        return PhaseCorrelation(options)
    matcher, reach_px = MATCHERS[name](options)
    return DenseMatching(options, matcher, ceil(reach_px / HALO_STEP_PX) * HALO_STEP_PX)


def _statistics(pair: Pair) -> Statistics:
    return statistics_of(pair.reference), statistics_of(pair.moving)


def _greys(pair: Pair, statistics: Statistics) -> tuple[Image, Image]:
    return grey(pair.reference, statistics[0]), grey(pair.moving, statistics[1])
