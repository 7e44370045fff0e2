"""What a run of this task may say in the sections `prepare` and `method` of its parameters."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from components.raster.bands import canonical
from components.raster.scene import Unit
from components.tasks.coregistration.gefolki import FolkiSettings
from components.tasks.coregistration.template_settings import TemplateSettings
from components.tasks.params import Params, RunParams, options

NetworkName = Literal["flownet-s", "pwc-net", "pwc-net-multimodal", "recurrent-flow", "learnt-templates"]
ClassicalName = Literal["zero-flow", "phase-correlation", "gefolki", "templates"]
LEARNT_CELL_PX = 2  # what one feature of learnt-templates covers: the stride of its network


class SensorOptions(Params):
    """One side of a pair: which sensor, which bands, which unit."""

    sensor: str
    bands: tuple[str, ...] = Field(min_length=1)
    unit: Unit

    @property
    def canonical_bands(self) -> tuple[str, ...]:
        """The bands by their one canonical name."""
        return tuple(canonical(name) for name in self.bands)


class DeformationOptions(Params):
    """How aligned scenes are displaced for training and for synthetic truth; lengths in pixels."""

    shift_px: float = Field(5.0, ge=0, description="largest random shift along an axis")
    relief_px: float = Field(3.0, ge=0, description="root mean square of the part that follows the relief")
    warp_px: float = Field(1.5, ge=0, description="root mean square of the affine and quadratic part")
    noise_px: float = Field(0.5, ge=0, description="root mean square of smooth noise")
    most_px: float = Field(12.0, gt=0, description="longest flow of a pair; longer fields are scaled down")


class PrepareOptions(Params):
    """How large a chip may be."""

    block_px: int = Field(512, ge=64, description="scenes beyond this many pixels a side are cut into chips")


class MethodOptions(Params):
    """The candidate: which method, what it sees, how it is trained."""

    name: NetworkName | ClassicalName
    reference: SensorOptions
    moving: SensorOptions
    pixel_size_m: tuple[float, float] | None = Field(None, description="smallest and largest pixel that is accepted")
    needs_crs: bool = False
    deformation: DeformationOptions = DeformationOptions()
    gefolki: FolkiSettings = Field(FolkiSettings(), description="of GeFolki, as candidate and as baseline")
    templates: TemplateSettings = Field(TemplateSettings(), description="of template matching, likewise")
    view: Literal["grey", "structure", "both"] = Field(
        "grey", description="what a network sees: grey values, edge directions, or both"
    )
    width: float = Field(1.0, gt=0, le=1, description="factor on the channels of the network")
    normalised: bool = Field(True, description="PWC-Net compares features of unit length; false: as in the paper")
    finest_level: Literal[1, 2] = Field(2, description="where PWC-Net ends: a half or a quarter of the resolution")
    coarsest_level: int | None = Field(
        None, ge=3, le=6, description="where PWC-Net begins; default 6, multimodal 5, as in the papers"
    )
    matched: bool = Field(False, description="FlowNetS and PWC-Net begin at matched windows, not at 0")
    iterations: int = Field(3, ge=1, le=12, description="refinements of recurrent-flow")
    refine: bool = Field(False, description="the flow of a network is matched again within 4 px, for fractions of one")
    crop_px: int = Field(128, ge=64)
    crops: int = Field(100_000, ge=1, description="distinct training crops; passes repeat after them")
    unrelated: float = Field(0.15, ge=0, lt=1, description="share of training crops whose scenes are of two places")
    randomise: float = Field(1.0, ge=0, le=1, description="strength of the random radiometry of training crops")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.name == "learnt-templates" and (self.view != "both" or self.templates.cell != LEARNT_CELL_PX):
            raise ValueError(f"learnt-templates needs view: both, and templates: {{cell: {LEARNT_CELL_PX}}}")
        if self.refine and self.name in get_args(ClassicalName):
            raise ValueError(f"refine matches the flow of a network again, and {self.name} is none; leave it out")
        return self

    @property
    def sensors(self) -> dict[str, SensorOptions]:
        """Both sides by the name of the input."""
        return {"reference": self.reference, "moving": self.moving}


def prepare_options(params: RunParams) -> PrepareOptions:
    """The section `prepare` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(PrepareOptions, params.prepare, "coregistration: prepare")


def method_options(params: RunParams) -> MethodOptions:
    """The section `method` of a run.

    Raises:
        BadParams: names the key and the problem.
    """
    return options(MethodOptions, params.method, "coregistration: method")
