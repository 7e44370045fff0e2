"""What a dataset says of itself in `dataset.yaml`: origin, sensor, bands, units, layout of its source folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from components.errors import BadParams
from components.raster.scene import UNITS, Class
from components.tasks.params import Params, first_problem

FILE = "dataset.yaml"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def _is_unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    return unit


Pattern = Annotated[str, AfterValidator(_compiles)]
UnitName = Annotated[str, AfterValidator(_is_unit)]


class FolderLayout(Params):
    """One sub-folder a role; partners have the same id, which `name` and `id` make of the file name."""

    kind: Literal["folders"] = "folders"
    roles: Mapping[str, str] = Field(min_length=1, description="role -> sub-folder")
    name: Pattern = Field(r"(?P<stem>.+)\.[A-Za-z]+", description="the whole file name, with named groups")
    id: str = "{stem}"
    place: str = "{stem}"


class PatternLayout(Params):
    """All files in one folder; the group `role` of `name` says which role a file has."""

    kind: Literal["pattern"] = "pattern"
    roles: Mapping[str, str] = Field(min_length=1, description="role -> what the group `role` matches")
    name: Pattern
    id: str = "{stem}"
    place: str = "{stem}"

    @model_validator(mode="after")
    def _names_roles(self) -> Self:
        if "role" not in re.compile(self.name).groupindex:
            raise ValueError("name needs a group (?P<role>...)")
        return self


class SeriesLayout(Params):
    """Dated radar files at any depth; each part of the ground (burst, frame) with all its dates is one source.

    ``name`` matches the path below the folder, with the groups `date` and, where names say so, `band`, `part` and
    `orbit`. Roles are `date-YYYYMMDD`. ``id`` and ``place`` are made of `part` and `orbit`.
    """

    kind: Literal["series"]
    name: Pattern
    id: str = "{part}"
    place: str = "{part}"
    least_dates: int = Field(2, ge=2, description="a part with fewer whole dates is left out")

    @model_validator(mode="after")
    def _names_dates(self) -> Self:
        if "date" not in re.compile(self.name).groupindex:
            raise ValueError("name needs a group (?P<date>...)")
        return self


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


NODATA_CODE = 255  # in every class map: not labelled


class ClassDeclaration(Params):
    """Name and colour (R, G, B in 0..255) of a class."""

    name: str
    colour: tuple[int, int, int]


LabelDeclaration.model_rebuild()


class Declaration(Params):
    """A dataset: what it is, whose it is, and how its source folder becomes scenes."""

    name: str
    title: str
    description: str = ""
    origin: str
    licence: str
    citation: str
    sensor: str
    bands: tuple[str, ...] = ()
    unit: UnitName = "digital_number"
    pixel_size_m: float | None = Field(None, gt=0, description="about; None: unknown")
    needs_crs: bool = True
    layout: Annotated[FolderLayout | PatternLayout | SeriesLayout, Field(discriminator="kind")] | None = None
    image: ImageDeclaration | None = None
    label: LabelDeclaration | None = None
    properties: Mapping[str, str] = Field(default_factory=dict, description="kept with each scene, from the file name")
    max_lost: float = Field(0.25, ge=0, le=1, description="quarantined share above which ingestion fails")
    simulation: Mapping[str, Any] | None = Field(None, description="read by components.simulation")

    @model_validator(mode="after")
    def _has_a_way_in(self) -> Self:
        if (self.layout is None or self.image is None) and self.simulation is None:
            raise ValueError("needs either layout and image (a source folder) or simulation (a seed)")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides the bytes of an ingested scene."""
        deciding = self.model_dump_json(include={"needs_crs", "layout", "image", "label", "properties"})
        return hashlib.sha256(deciding.encode()).hexdigest()


def read_declaration(dataset: Path) -> Declaration:
    """The declaration of a dataset folder (`data/sources/<dataset>`), from its `dataset.yaml`.

    Raises:
        BadParams: names the file, the key and the problem.
    """
    path = dataset / FILE
    try:
        declaration = Declaration.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadParams(path, str(error)) from error
    except ValidationError as error:
        raise BadParams(path, first_problem(error)) from error
    if declaration.name != dataset.resolve().name:
        raise BadParams(path, f"name: {declaration.name!r} differs from the folder {dataset.name!r}")
    return declaration
