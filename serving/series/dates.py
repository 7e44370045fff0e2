"""A method of one scene shown a series of one date: what a file, two polarisations or several bursts make together."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import NDArray
from torch import Tensor, nn

from components.inference.method import Aligned, Arguments, Batched, Blended, Inputs, Method, Outputs, WithoutSurvey
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Stack
from components.tasks.seam import InputSpec
from serving.jobs.receiving import SERIES


class OneDate:
    """``inner`` asked about the only date of a radar series, in the unit of its input; tiled and surveyed as itself."""

    def __init__(self, inner: Method, wanted: InputSpec) -> None:
        self.inner, self.wanted = inner, wanted
        self.halo_px = inner.halo_px
        # Attributes, as the engine looks for them: a method that has none must not seem to have one.
        if isinstance(inner, WithoutSurvey):
            self.needs_survey = inner.needs_survey
        if isinstance(inner, Aligned):
            self.alignment_px = inner.alignment_px
        if isinstance(inner, Blended):
            self.blend_px = inner.blend_px

    def survey(self, scenes: Inputs) -> Self:
        """With the statistics of the whole date taken."""
        return type(self)(self.inner.survey(self.scene(scenes)), self.wanted)

    def predict(self, scenes: Inputs) -> Outputs:
        """What the method says of the date."""
        return self.inner.predict(self.scene(scenes))

    def scene(self, scenes: Inputs) -> dict[str, Scene]:
        """The date as the method's input.

        Raises:
            ValueError: if the series has not exactly one date.
        """
        stack = scenes[SERIES]
        if not isinstance(stack, Stack) or len(stack.dates) != 1:
            raise ValueError("expected a series of one date")
        return {self.wanted.name: in_unit(stack.scene(0), self.wanted.unit)}


class OneDateBatched(OneDate):
    """The same for a network whose tiles are computed several at a time."""

    @property
    def network(self) -> Batched:
        """The method as a network."""
        assert isinstance(self.inner, Batched), "made by `on_one_date` for networks only"
        return self.inner

    @property
    def module(self) -> nn.Module:
        """The module of the network."""
        return self.network.module

    def encode(self, scenes: Inputs) -> tuple[Arguments, Any]:
        """See `Batched.encode`."""
        return self.network.encode(self.scene(scenes))

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """See `Batched.compute`."""
        return self.network.compute(arguments)

    def decode(self, context: Any, said: NDArray[Any]) -> Outputs:  # noqa: ANN401 - what `encode` gave
        """See `Batched.decode`."""
        return self.network.decode(context, said)


def on_one_date(method: Method, wanted: InputSpec) -> Method:
    """The method as one of series of a single date."""
    return OneDateBatched(method, wanted) if isinstance(method, Batched) else OneDate(method, wanted)
