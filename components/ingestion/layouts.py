"""How the files of a source lie: in folders, under one pattern, behind a STAC API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.tasks.params import Params


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
CLOUDY = (0, 1, 3, 8, 9, 10)  # of the scene classification: no data, defective, cloud shadow, clouds, thin cirrus


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


class TreeLayout(Params):
    """Files anywhere below the folder: one pattern a role over the relative path; the rest is left alone.

    Named groups fill `id` and `place`. A group `band` says that a role is one file a band. `examples` are paths as
    published; errors quote them.
    """

    kind: Literal["tree"]
    roles: Mapping[str, Pattern] = Field(min_length=1, description="role -> pattern of the whole relative path")
    examples: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    optional: tuple[str, ...] = Field((), description="roles that a source may lack (no object: no file)")
    id: str = "{stem}"
    place: str = "{stem}"
    splits: Mapping[str, tuple[str, ...]] = Field(default_factory=dict, description="official split -> its places")

    @model_validator(mode="after")
    def _examples_fit(self) -> Self:
        for role, example in self.examples.items():
            if role not in self.roles or not re.fullmatch(self.roles[role], example):
                raise ValueError(f"the example {example!r} does not fit the pattern of {role!r}")
        return self


class MaskAsset(Params):
    """The asset whose classes say what was not seen, by default as Sentinel-2's scene classification has them."""

    asset: str = "scl"
    unseen: tuple[int, ...] = Field(CLOUDY, min_length=1, description="codes that become nodata")


class StacLayout(Params):
    """Items that a STAC API finds; the source folder holds what was downloaded.

    The bands of `image` come from the assets: by common name, for Sentinel-2 by band name, or as `assets` says.
    What does not decide the bytes of a scene is no part of the declaration's digest (`exclude`).
    """

    kind: Literal["stac"]
    url: str = Field(pattern=r"https?://.+", exclude=True)
    collections: tuple[str, ...] = Field(min_length=1, exclude=True)
    bbox: tuple[float, float, float, float] | None = Field(None, description="west, south, east, north in degrees")
    intersects: Mapping[str, Any] | None = Field(None, description="a GeoJSON geometry instead of bbox")
    datetime: str = Field(exclude=True, description="an instant or a span, for example 2024-06-01/2024-06-30")
    max_cloud: float | None = Field(None, ge=0, le=100, exclude=True, description="per cent of eo:cloud_cover")
    max_items: int = Field(
        1000, ge=1, exclude=True, description="more matches than this are an error, never a silent cut"
    )
    role: str = Field("image", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*")
    place: str = Field("{tile}", description="of {id}, {collection}, {date}, {tile} (MGRS tile or path and row)")
    assets: Mapping[str, str] = Field(default_factory=dict, description="band -> asset, where names do not tell")
    mask: MaskAsset | None = None
    grid_of: str | None = Field(None, description="band whose grid the others are brought onto; default: the first")
    resampling: Literal["nearest", "bilinear", "cubic"] = "bilinear"
    crop: bool = Field(True, description="keep the ground of bbox only")
    sign: str | None = Field(
        None, pattern=r"[\w.]+:\w+", exclude=True, description="module:function, href in, signed href out"
    )
    downloads: int = Field(4, ge=1, le=16, exclude=True, description="at a time")
    max_missing: float = Field(0.0, ge=0, le=1, exclude=True, description="share of items that may fail to download")

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if (self.bbox is None) == (self.intersects is None):
            raise ValueError("needs either bbox or intersects")
        if self.bbox and self.bbox[0] > self.bbox[2]:
            raise ValueError("bbox crosses the antimeridian; declare one dataset on each side of 180 degrees")
        if self.bbox and not (-90 <= self.bbox[1] < self.bbox[3] <= 90 and -180 <= self.bbox[0] < self.bbox[2] <= 180):
            raise ValueError("bbox must be west, south, east, north in degrees")
        return self

    @property
    def roles(self) -> Mapping[str, str]:
        """The one role that a search fills."""
        return {self.role: self.role}


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

    @property
    def roles(self) -> Mapping[str, str]:
        """None is known before the dates are found."""
        return {}
