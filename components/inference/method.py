"""What the engine needs to know of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.raster.scene import Features, Scene, Value

Outputs = Mapping[str, Scene | Features]


class Method(Protocol):
    """One way to do a task: a network, a classical algorithm, or doing nothing."""

    @property
    def halo_px(self) -> int | None:
        """Context in pixels that a tile needs around it; None: needs the whole scene."""
        ...

    def survey(self, scenes: Mapping[str, Value]) -> Method:
        """The method with its whole-scene statistics taken (thresholds, clusters); itself where none are."""
        ...

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs by name on the grid of the first input; nodata in, nodata out."""
        ...
