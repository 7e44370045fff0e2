"""The sections of a `dataset.yaml` that say what the numbers of a file mean: images by role, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.raster.scene import UNITS, Class
from components.tasks.params import Params


def _is_unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    return unit


UnitName = Annotated[str, AfterValidator(_is_unit)]
NODATA_CODE = 255  # in every class map: not labelled


class Storage(Params):
    """How pixels are stored: stored number x `scale` = value. Only what this holds exactly is accepted."""

    dtype: Literal["uint8", "uint16", "int16", "float32"]
    scale: float = Field(1.0, gt=0)
    nodata: float | None = None


class ImageDeclaration(Params):
    """The image roles: value = number in the source file x `scale` + `offset`, applied once, at ingestion."""

    bands: tuple[str, ...] = Field(min_length=1)
    unit: UnitName
    scale: float = Field(1.0, gt=0)
    offset: float = 0.0
    nodata: float | None = Field(None, description="number in the source that means nothing was seen")
    storage: Storage


class SensorDeclaration(ImageDeclaration):
    """A role whose sensor differs from those of other roles, for example radar beside optical.

    With ``decibels`` the value so found is a ratio in decibels, and its intensity ``10 ** (value / 10)`` is stored.
    """

    decibels: bool = False

    @model_validator(mode="after")
    def _decibels_become_intensity(self) -> Self:
        if self.decibels and (self.unit, self.storage.dtype) != ("intensity", "float32"):
            raise ValueError("decibels become intensity: unit must be intensity, and storage.dtype float32")
        return self


class LabelDeclaration(Params):
    """The label role: which source value is which class code. A value that is not listed is refused."""

    role: str = "mask"
    values: Mapping[int, int] = Field(min_length=1, description="source value -> class code")
    classes: Mapping[int, ClassDeclaration]

    @model_validator(mode="after")
    def _mapped_codes_have_names(self) -> Self:
        nameless = sorted(set(self.values.values()) - set(self.classes) - {NODATA_CODE})
        if nameless:
            raise ValueError(f"classes lacks the codes {nameless}")
        return self

    def as_classes(self) -> tuple[Class, ...]:
        """The classes as the raster layer knows them, by ascending code."""
        return tuple(Class(code, each.name, each.colour) for code, each in sorted(self.classes.items()))


class ClassDeclaration(Params):
    """Name and colour (R, G, B in 0..255) of a class."""

    name: str
    colour: tuple[int, int, int]


LabelDeclaration.model_rebuild()
