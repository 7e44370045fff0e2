"""What a run of this task may say in the sections `prepare` and `method` of its parameters."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.raster.bands import canonical
from components.raster.scene import Unit
from components.tasks.params import Params, RunParams, options

NetworkName = Literal["fc-ef", "fc-siam-conc", "fc-siam-diff", "fc-ef-res", "index-unet"]
ClassicalName = Literal["all-unchanged", "cva-otsu", "pca-kmeans", "dnbr-otsu"]
Code = Annotated[int, Field(ge=1, le=254)]


class PrepareOptions(Params):
    """Which pixels are change, and how large a chip may be."""

    kinds: tuple[Code, ...] | None = Field(None, description="mask codes that count as change; null: all but 0")
    block_px: int = Field(1024, ge=64, description="scenes beyond this many pixels a side are cut into chips")


class FeatureOptions(Params):
    """What `index-unet` sees: names of `features.py`; `relative` ones are scaled by the whole scene."""

    absolute: tuple[str, ...] = ()
    relative: tuple[str, ...] = ()


class MethodOptions(Params):
    """The candidate: which method, what it sees, how it is trained."""

    name: NetworkName | ClassicalName
    sensor: str = "sentinel-2"
    bands: tuple[str, ...] = Field(min_length=1)
    unit: Unit = "reflectance"
    pixel_size_m: tuple[float, float] | None = Field(None, description="smallest and largest pixel that is accepted")
    needs_crs: bool = False
    features: FeatureOptions = FeatureOptions()
    width: int = Field(8, ge=4, description="channels of the first level of index-unet")
    members: int = Field(1, ge=1, le=16, description="networks trained side by side, whose answers are averaged")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel is called changed")
    flips: bool = Field(False, description="average the answers to all flips and quarter turns")
    crop_px: int = Field(96, ge=16)
    crops: int = Field(20_000, ge=1, description="distinct training crops; passes repeat after them")
    jitter: float = Field(0.0, ge=0, description="deviation of a crop's random gain and offset, in standard deviations")
    swap: float = Field(0.0, ge=0, le=1, description="share of training crops whose dates change places")
    false_alarm_weight: float = Field(
        10.0, gt=0, description="factor on the weight of unchanged pixels; the paper's 10"
    )
    dice_weight: float = Field(0.0, ge=0, description="weight of the Dice loss beside the likelihood")

    @model_validator(mode="after")
    def _has_features(self) -> Self:
        if self.name == "index-unet" and not (self.features.absolute or self.features.relative):
            raise ValueError("index-unet needs features")
        return self

    @property
    def canonical_bands(self) -> tuple[str, ...]:
        """The bands by their one canonical name."""
        return tuple(canonical(name) for name in self.bands)


def prepare_options(params: RunParams) -> PrepareOptions:
    """The section `prepare` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(PrepareOptions, params.prepare, "change: prepare")


def method_options(params: RunParams) -> MethodOptions:
    """The section `method` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(MethodOptions, params.method, "change: method")
