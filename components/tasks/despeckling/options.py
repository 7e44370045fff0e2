"""What a run of this task may say in the sections `prepare` and `method` of its parameters."""

from __future__ import annotations

from math import inf
from typing import Literal, Self

from pydantic import Field, model_validator

from components.errors import BadParams
from components.raster.bands import canonical
from components.tasks.params import Params, RunParams, options

SarUnit = Literal["amplitude", "intensity", "db"]
ClassicalName = Literal[
    "unfiltered", "boxcar", "lee", "enhanced-lee", "refined-lee", "bm3d", "sar-bm3d", "temporal-multilook"
]
NetworkName = Literal["dilated-residual"]
LossName = Literal["l1", "l2", "amplitude", "likelihood", "histogram"]


class PrepareOptions(Params):
    """How large a chip may be, and what counts as a place."""

    places: Literal["sources", "halves"] = Field(
        "sources", description="halves: north and south of a source are places of their own, gap_px apart"
    )
    gap_px: int = Field(0, ge=0, description="rows between the halves that nobody sees")
    leave_out: tuple[str, ...] = Field((), description="places of sources that the run does not use")
    block_px: int = Field(512, ge=64, description="scenes beyond this many pixels a side are cut into chips")


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
    speckle: Literal["seen", "drawn"] = Field(
        "seen",
        description="seen: pairs of dates as they are; drawn: speckle of `looks` looks on the mean over all dates, "
        "which is then the truth to learn and to be scored on",
    )
    draws: int = Field(20, ge=1, description="drawn: how often each chip is drawn to be scored on")
    gain: float = Field(0.0, ge=0, description="drawn: deviation of the logarithmic gain of a window, band by band")
    oversampling: float = Field(1.0, ge=1, description="resolution over pixel size: 1 where speckle is white")
    spacing_px: Literal[1, 2] = Field(
        1, description="2: every second pixel is filtered with its like; for complex products sampled far too finely"
    )

    width: int = Field(64, ge=1, description="channels of the network")
    turns: Literal[1, 8] = Field(1, description="8: answers are means over the eight turns and flips of a scene")
    crop_px: int = Field(64, ge=33)
    crops: int = Field(100_000, ge=1, description="distinct training pairs; passes repeat after them")
    level: Literal["kept", "matched"] = Field(
        "kept", description="matched: the other date of a pair is brought to the level of the first, window by window"
    )
    lag_dates: int | None = Field(None, ge=1, description="how many dates apart a pair may lie; null: any")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.name == "dilated-residual" and self.looks is None:
            raise ValueError("looks: training needs the equivalent number of looks, because it decides the debiasing")
        if self.name == "dilated-residual" and self.spacing_px != 1:
            raise ValueError("spacing_px: the network learns correlated speckle as it is, only filters are interleaved")
        if self.speckle == "drawn" and self.looks is None:
            raise ValueError("looks: drawn speckle needs them")
        return self

    @property
    def assumed_looks(self) -> float:
        """The declared looks, which every run of a network has.

        Raises:
            ValueError: if they are to be estimated.
        """
        if self.looks is None:
            raise ValueError("method.looks is null")
        return self.looks

    @property
    def target_looks(self) -> float:
        """Looks of what is learnt from: those of another date; infinitely many where speckle is drawn on a mean."""
        return inf if self.speckle == "drawn" else self.assumed_looks

    @property
    def canonical_bands(self) -> tuple[str, ...]:
        """The bands by their one canonical name."""
        return tuple(canonical(name) for name in self.bands)


def prepare_options(params: RunParams) -> PrepareOptions:
    """The section `prepare` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(PrepareOptions, params.prepare, "despeckling: prepare")


def method_options(params: RunParams) -> MethodOptions:
    """The section `method` of a run.

    Raises:
        BadParams: names the key and the problem; a run filters scenes, and one scene has no mean over dates.
    """
    method = options(MethodOptions, params.method, "despeckling: method")
    if method.name == "temporal-multilook":
        raise BadParams("despeckling: method", "name: temporal-multilook needs a series, and a run filters one scene")
    return method
