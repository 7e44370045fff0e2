"""What a run of this task may say in the section `method` of its parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.raster.bands import canonical
from components.tasks.params import Params, RunParams, options

SarUnit = Literal["amplitude", "intensity", "db"]
ClassicalName = Literal[
    "unfiltered", "boxcar", "lee", "enhanced-lee", "refined-lee", "bm3d", "sar-bm3d", "temporal-multilook"
]
NetworkName = Literal["dilated-residual"]
LossName = Literal["l1", "l2", "likelihood", "histogram"]


class MethodOptions(Params):
    """The candidate: which method, what it sees, how it is trained."""

    name: NetworkName | ClassicalName
    sensor: str = "sentinel-1"
    bands: tuple[str, ...] = Field(("VV", "VH"), min_length=1)
    unit: SarUnit = "intensity"
    looks: float | None = Field(
        None, gt=0, description="equivalent number of looks; null: estimated from homogeneous parts of each scene"
    )
    pixel_size_m: tuple[float, float] | None = Field(None, description="smallest and largest pixel that is accepted")
    needs_crs: bool = False
    loss: LossName = "histogram"
    oversampling: float = Field(1.0, ge=1, description="resolution over pixel size: 1 where speckle is white")
    spacing_px: Literal[1, 2] = Field(
        1, description="2: every second pixel is filtered with its like; for complex products sampled far too finely"
    )

    @property
    def canonical_bands(self) -> tuple[str, ...]:
        """The bands by their one canonical name."""
        return tuple(canonical(name) for name in self.bands)


def method_options(params: RunParams) -> MethodOptions:
    """The section `method` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(MethodOptions, params.method, "despeckling: method")
