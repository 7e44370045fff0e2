"""What the engine needs to know of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from torch import Tensor, nn

from components.raster.scene import Features, Scene, Value

Inputs = Mapping[str, Value]
Outputs = Mapping[str, Scene | Features]
Arguments = tuple[NDArray[Any], ...]  # what a network sees of one tile, each (C, rows, cols)


class Method(Protocol):
    """One way to do a task: a network, a classical algorithm, or doing nothing."""

    @property
    def halo_px(self) -> int | None:
        """Context in pixels that a tile needs around it; None: needs the whole scene."""
        ...

    def survey(self, scenes: Inputs) -> Method:
        """The method with its whole-scene statistics taken (thresholds, clusters); itself where none are."""
        ...

    def predict(self, scenes: Inputs) -> Outputs:
        """Outputs by name on the grid of the first input; nodata in, nodata out."""
        ...


@runtime_checkable
class WithoutSurvey(Protocol):
    """A method that may declare `needs_survey = False`: then no pass over the whole scene is read for it."""

    needs_survey: bool


@runtime_checkable
class Aligned(Protocol):
    """A method whose tiles must start on multiples of another number than 16."""

    alignment_px: int


@runtime_checkable
class Blended(Protocol):
    """A method whose halo is no full receptive field: neighbouring tiles are blended.

    Each tile is predicted ``blend_px`` beyond its edges, and in the strip of twice that width its weight falls
    smoothly from 1 to 0. Float outputs with NaN as nodata are blended; all others are cut at the tile's edge.
    """

    blend_px: int


@runtime_checkable
class Batched(Protocol):
    """A network whose tiles are read and told apart in threads and computed several at a time.

    ``predict`` of one tile equals ``decode(context, compute(encode(...)))``.
    """

    module: nn.Module

    def encode(self, scenes: Inputs) -> tuple[Arguments, Any]:
        """The arguments of the network for one tile, and whatever `decode` needs of it. Called in any thread."""
        ...

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """The answer (B, K, rows, cols) to arguments (B, C, rows, cols) on the device of ``module``."""
        ...

    def decode(self, context: Any, said: NDArray[Any]) -> Outputs:  # noqa: ANN401 - what `encode` gave
        """The outputs of one tile from what the network said, (K, rows, cols). Called in any thread."""
        ...
