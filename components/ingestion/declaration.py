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
from components.ingestion.sections import ImageDeclaration, LabelDeclaration, SensorDeclaration, UnitName
from components.tasks.params import Params, first_problem

FILE = "dataset.yaml"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


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
    layout: Annotated[FolderLayout | PatternLayout, Field(discriminator="kind")] | None = None
    image: ImageDeclaration | None = Field(None, description="of every role that holds an image, but for `images`")
    images: Mapping[str, SensorDeclaration] = Field(default_factory=dict, description="role -> its own image section")
    label: LabelDeclaration | None = None
    properties: Mapping[str, str] = Field(default_factory=dict, description="kept with each scene, from the file name")
    max_lost: float = Field(0.25, ge=0, le=1, description="quarantined share above which ingestion fails")
    simulation: Mapping[str, Any] | None = Field(None, description="read by components.simulation")

    @model_validator(mode="after")
    def _has_a_way_in(self) -> Self:
        if (self.layout is None or not (self.image or self.images)) and self.simulation is None:
            raise ValueError("needs either layout and image (a source folder) or simulation (a seed)")
        return self

    @model_validator(mode="after")
    def _every_image_is_declared(self) -> Self:
        strangers = sorted(set(self.images) - set(self.image_roles))
        if strangers:
            raise ValueError(f"images: {', '.join(strangers)} is no image role of the layout")
        lacking = [role for role in self.image_roles if self.image_of(role) is None]
        if lacking and self.simulation is None:
            raise ValueError(
                f"images: {', '.join(lacking)} has no section, and there is no image section for all roles"
            )
        return self

    def image_of(self, role: str) -> ImageDeclaration | None:
        """The section of an image role: its own, or the one of all."""
        return self.images.get(role, self.image)

    @property
    def image_roles(self) -> tuple[str, ...]:
        """Roles that hold images, in the order of the layout."""
        label = self.label.role if self.label else None
        return tuple(role for role in (self.layout.roles if self.layout else ()) if role != label)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides the bytes of an ingested scene."""
        names = {"needs_crs", "layout", "image", "label", "properties"}
        if self.images:  # a dataset of one sensor keeps the digest that it had before there were several
            names.add("images")
        return hashlib.sha256(self.model_dump_json(include=names).encode()).hexdigest()


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
