"""What the roles of a dataset hold: images, class maps, features, boxes; and how their numbers become values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as Day
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.raster.scene import UNITS, Class
from components.tasks.params import Params

NODATA_CODE = 255  # in every class map: not labelled


def _is_unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    return unit


def _numbered(bands: object) -> object:
    """`bands: 200` names 200 bands by number, as the reader names those of a file without names."""
    return tuple(f"band{number}" for number in range(1, bands + 1)) if isinstance(bands, int) else bands


def is_unset(value: object) -> bool:
    """Fields that came later are no part of the digest where they are not used: older datasets keep theirs."""
    return not value


def _is_first(value: object) -> bool:
    return value == 1


UnitName = Annotated[str, AfterValidator(_is_unit)]
Colour = Annotated[str, Field(pattern="#[0-9a-f]{6}")]


class Storage(Params):
    """How pixels are stored: stored number x `scale` = value. Only what this holds exactly is accepted."""

    dtype: Literal["uint8", "uint16", "int16", "float32"]
    scale: float = Field(1.0, gt=0)
    nodata: float | None = None


class FileKind(Params):
    """What is otherwise in files of one suffix, where several providers fill one role; None: as the role says."""

    names: tuple[str, ...] | None = Field(None, min_length=1, description="what the file calls the declared bands")
    date: Day | None = Field(None, description="of a NetCDF cube: the day that is read")
    scale: float | None = Field(None, gt=0)
    offset: float | None = None
    nodata: float | None = None
    decibels: bool | None = None


class ImageDeclaration(Params):
    """The image roles: value = number in the source file x `scale` + `offset`, applied once, at ingestion.

    With ``decibels`` the value so found is a ratio in decibels; its intensity ``10 ** (value / 10)`` is stored, or its
    amplitude, the root of that. ``names`` and ``date`` are of NetCDF cubes and of files with names of their own.
    """

    bands: Annotated[tuple[str, ...], BeforeValidator(_numbered)] = Field(min_length=1)
    unit: UnitName
    scale: float = Field(1.0, gt=0)
    offset: float = 0.0
    nodata: float | None = Field(None, description="number in the source that means nothing was seen")
    storage: Storage
    variable: str | None = Field(None, exclude_if=is_unset, description="in a .mat file; default: its only cube")
    by_position: bool = Field(
        False, exclude_if=is_unset, description="the file's own band names are wrong (near infrared shown as red)"
    )
    decibels: bool = Field(False, exclude_if=is_unset, description="of radar; its linear backscatter is stored")
    names: tuple[str, ...] | None = Field(None, exclude_if=is_unset, description="what the file calls the bands")
    date: Day | None = Field(None, exclude_if=is_unset, description="of a NetCDF cube: the day that is read")
    kinds: Mapping[str, FileKind] = Field(
        default_factory=dict, exclude_if=is_unset, description="suffix of a file (.nc) -> what is otherwise in it"
    )

    @model_validator(mode="after")
    def _decibels_become_backscatter(self) -> Self:
        if self.decibels and (self.unit not in ("intensity", "amplitude") or self.storage.dtype != "float32"):
            raise ValueError("decibels become intensity or amplitude: unit must be one, and storage.dtype float32")
        return self

    def of_file(self, path: Path) -> Self:
        """The section as it holds for a file: what its kind says stands above the rest."""
        kind = self.kinds.get(path.suffix.lower())
        return self.model_copy(update={**(kind.model_dump(exclude_none=True) if kind else {}), "kinds": {}})

    @property
    def applied(self) -> dict[str, float | bool]:
        """What is done to the numbers of a file, once."""
        return {"scale": self.scale, "offset": self.offset, **({"decibels": True} if self.decibels else {})}


class VectorDeclaration(Params):
    """Labels drawn as features: which file and layer, which attribute value is which class code, how old they are.

    Features are burnt in the order of `codes`, later ones on top; `*` stands for every other value, also for none.
    """

    file: str | None = Field(None, description="one file for all scenes, below the source folder; default: one a scene")
    layer: str | None = None
    column: str | None = Field(None, description="attribute that says the class; default: all are `*`")
    codes: Mapping[str, int] = Field(min_length=1)
    background: int = Field(0, ge=0, le=255, description="code where there is no feature; 255: not labelled")
    crs: str | None = Field(None, description="where the file does not say")
    date: Day | None = Field(None, description="day on which the features were true")
    date_column: str | None = Field(None, description="attribute that says so feature by feature")
    buffer_m: float = Field(0.0, ge=0, description="half the width of lines, radius of points")
    all_touched: bool = Field(False, description="pixels that a feature touches, not only those whose centre it covers")
    repair: bool = Field(True, description="invalid polygons are repaired and counted; false: the scene is refused")
    keep: bool = Field(False, description="keep the features as well, as GeoParquet on the CRS of the scene")


class LabelDeclaration(Params):
    """The label role: which source value is which class code. A value that is not listed is refused."""

    role: str = "mask"
    values: Mapping[int, int] = Field(default_factory=dict, description="source value -> class code")
    colours: Mapping[Colour, int] = Field(
        default_factory=dict, exclude_if=is_unset, description="#rrggbb -> class code, for maps published as pictures"
    )
    vectors: VectorDeclaration | None = Field(None, exclude_if=is_unset)
    classes: Mapping[int, ClassDeclaration]
    band: int = Field(1, ge=1, exclude_if=_is_first, description="of the source file, from 1")
    like_image: bool = Field(False, exclude_if=is_unset, description="without CRS, on the very pixels of the image")
    variable: str | None = Field(None, exclude_if=is_unset, description="in a .mat file; default: its only map")

    @model_validator(mode="after")
    def _has_one_mapping(self) -> Self:
        if sum(map(bool, (self.values, self.colours, self.vectors))) != 1:
            raise ValueError("needs one of values, colours and vectors")
        return self

    @model_validator(mode="after")
    def _mapped_codes_have_names(self) -> Self:
        drawn = {*self.vectors.codes.values(), self.vectors.background} if self.vectors else set()
        mapped = {*self.values.values(), *self.colours.values(), *drawn}
        nameless = sorted(mapped - set(self.classes) - {NODATA_CODE})
        if nameless:
            raise ValueError(f"classes lacks the codes {nameless}")
        return self

    @property
    def keeps_features(self) -> bool:
        """True where it is drawn and its features stay beside the class map."""
        return self.vectors is not None and self.vectors.keep

    def as_classes(self) -> tuple[Class, ...]:
        """The classes as the raster layer knows them, by ascending code."""
        return tuple(Class(code, each.name, each.colour) for code, each in sorted(self.classes.items()))


class ClassDeclaration(Params):
    """Name and colour (R, G, B in 0..255) of a class."""

    name: str
    colour: tuple[int, int, int]


class BoxesDeclaration(Params):
    """The role of boxes around objects: in which format, and which published name or number is which class."""

    role: str = "boxes"
    format: Literal["dota", "vedai", "yolo", "cowc"]
    classes: Mapping[str, str] = Field(min_length=1, description="published name or number -> class; others refused")
    box_px: float = Field(20.0, gt=0, description="side of a box, where only centres were published (cowc)")


LabelDeclaration.model_rebuild()
