"""What a dataset says of itself in `dataset.yaml`: origin, sensor, bands, units, layout of its source folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from components.errors import BadParams
from components.ingestion.layouts import FolderLayout, PatternLayout, SeriesLayout, StacLayout, TreeLayout
from components.ingestion.published import expanded
from components.ingestion.roles import BoxesDeclaration, ImageDeclaration, LabelDeclaration, UnitName, is_unset
from components.tasks.params import Params, first_problem

FILE = "dataset.yaml"


_DECIDING = {"needs_crs", "layout", "image", "images", "label", "labels", "boxes", "dates", "properties"}


def _as_text(day: object) -> object:
    """YAML reads 2024-03-01 as a day and 20240301 as a number."""
    return str(day) if isinstance(day, date | int) else day


class BucketSource(Params):
    """A prefix of a bucket of the store in the settings; the source folder is its mirror."""

    bucket: str = Field(min_length=3)
    prefix: str = Field(min_length=1)


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
    source: BucketSource | None = Field(None, description="where the files lie, if not in a folder already")
    layout: (
        Annotated[
            FolderLayout | PatternLayout | SeriesLayout | StacLayout | TreeLayout,
            Field(discriminator="kind"),
        ]
        | None
    ) = None
    image: ImageDeclaration | None = Field(None, description="of every role that holds an image, but for `images`")
    images: Mapping[str, ImageDeclaration] = Field(
        default_factory=dict, exclude_if=is_unset, description="role -> its own image section"
    )
    label: LabelDeclaration | None = None
    labels: tuple[LabelDeclaration, ...] = Field((), exclude_if=is_unset, description="label roles beside `label`")
    boxes: BoxesDeclaration | None = Field(None, exclude_if=is_unset)
    dates: Mapping[str, Annotated[str, BeforeValidator(_as_text)]] = Field(
        default_factory=dict,
        exclude_if=is_unset,
        description="role -> when it was true: a day, or one made of the groups of its file name ({date})",
    )
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
        roles = self.layout.roles if self.layout else ()
        lacking = [role for role in roles if role not in self._other_roles and self.image_of(role) is None]
        if lacking and self.simulation is None:
            raise ValueError(
                f"images: {', '.join(lacking)} has no section, and there is no image section for all roles"
            )
        return self

    @model_validator(mode="after")
    def _dates_are_of_files(self) -> Self:
        if self.dates and isinstance(self.layout, SeriesLayout | StacLayout):
            raise ValueError("dates: a series and a STAC API say themselves when an image was acquired; leave it out")
        strangers = sorted(set(self.dates) - set(self.layout.roles if self.layout else ()))
        if strangers:
            raise ValueError(f"dates: {', '.join(strangers)} is no role of the layout")
        drawn = [role for role in self.dates if role in self.all_labels and self.all_labels[role].vectors]
        if drawn:
            raise ValueError(f"dates: features say it themselves, use date or date_column of {', '.join(drawn)}")
        return self

    @property
    def _other_roles(self) -> set[str]:
        return {*self.all_labels, *((self.boxes.role,) if self.boxes else ())}

    @property
    def all_labels(self) -> Mapping[str, LabelDeclaration]:
        """Every label by its role."""
        return {each.role: each for each in (*((self.label,) if self.label else ()), *self.labels)}

    def image_of(self, role: str) -> ImageDeclaration | None:
        """What the image of a role is; None for a role that holds none."""
        return None if role in self._other_roles else self.images.get(role, self.image)

    @property
    def image_roles(self) -> tuple[str, ...]:
        """Roles that hold images, in the order of the layout."""
        return tuple(role for role in (self.layout.roles if self.layout else ()) if self.image_of(role))

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides the bytes of an ingested scene."""
        deciding = self.model_dump_json(include=_DECIDING)
        return hashlib.sha256(deciding.encode()).hexdigest()


def read_declaration(dataset: Path) -> Declaration:
    """The declaration of a dataset folder (`data/sources/<dataset>`), from its `dataset.yaml`.

    Raises:
        BadParams: names the file, the key and the problem.
    """
    path = dataset / FILE
    try:
        declaration = Declaration.model_validate(expanded(yaml.safe_load(path.read_text())))
    except (OSError, yaml.YAMLError) as error:
        raise BadParams(path, str(error)) from error
    except ValidationError as error:
        raise BadParams(path, first_problem(error)) from error
    if declaration.name != dataset.resolve().name:
        raise BadParams(path, f"name: {declaration.name!r} differs from the folder {dataset.name!r}")
    return declaration
