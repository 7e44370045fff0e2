"""What a raster file says of itself, beside its pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from components.errors import BadScene
from components.raster.bands import canonical
from components.raster.grid import Grid
from components.raster.scene import UNITS, Array, Class, Unit

ACQUIRED_TAG = "ACQUISITIONDATETIME"  # the name that GDAL's imagery metadata uses
CLASSES_TAG = "CLASSES"
OWN_TAGS = {ACQUIRED_TAG, CLASSES_TAG, "AREA_OR_POINT"}
_UNIT_ALIASES: Mapping[str, Unit] = {"metre": "m", "meter": "m", "metres": "m", "meters": "m", "decibel": "db"}
_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue", ColorInterp.alpha: "alpha"}


@dataclass(frozen=True)
class SceneInfo:
    """Everything of a file but its pixels.

    ``scales`` and ``offsets`` hold one number a band: value = stored * scale + offset. ``masked`` is True where
    the file carries a mask or an alpha band beside its nodata value. ``tags`` are those that Swath gives no meaning.
    """

    grid: Grid
    bands: tuple[str, ...]
    unit: Unit
    dtype: str
    nodata: float | None
    acquired: datetime | None
    classes: tuple[Class, ...]
    tags: Mapping[str, str]
    block_shape: tuple[int, int]
    tiled: bool
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    masked: bool = False

    # Kept once made: a window is read in less time than these take together.
    @cached_property
    def scaled(self) -> bool:
        """True where stored numbers and values differ."""
        return set(self.scales) != {1.0} or set(self.offsets) != {0.0}

    @cached_property
    def decoding(self) -> tuple[Array, Array]:
        """Scale and offset as float32: one number where all bands agree (numpy is faster with it), else one a band."""
        shape = () if len(set(self.scales)) == len(set(self.offsets)) == 1 else (-1, 1, 1)
        pairs = (self.scales, self.offsets)
        scale, offset = (np.array(each if shape else each[0], np.float32).reshape(shape) for each in pairs)
        return scale, offset

    @cached_property
    def stored_nodata(self) -> Any:  # noqa: ANN401 - a numpy scalar
        """Nodata in the type of the pixels, so that numpy need not convert them to compare; None for none or NaN."""
        if self.nodata is None or np.isnan(self.nodata):
            return None
        kind = np.dtype(self.dtype)
        if np.issubdtype(kind, np.integer):
            limits = np.iinfo(kind)
            if not (limits.min <= self.nodata <= limits.max and self.nodata.is_integer()):
                return None  # no pixel can hold it
        return kind.type(self.nodata)


def header_of(dataset: Any, where: object) -> SceneInfo:  # noqa: ANN401 - rasterio ships no types
    """The header of an open dataset.

    Raises:
        BadScene: if the bands differ in dtype or unit, or a tag of ours cannot be read.
    """
    if len(set(dataset.dtypes)) != 1:
        raise BadScene(where, f"bands of different types {sorted(set(dataset.dtypes))}", "write one file a type")
    tags = dataset.tags()
    grid = Grid(dataset.crs or None, dataset.transform, (dataset.height, dataset.width))
    return SceneInfo(
        grid=grid,
        bands=_band_names(dataset),
        unit=_unit(dataset, tags, where),
        dtype=dataset.dtypes[0],
        nodata=dataset.nodata,
        acquired=_acquired(tags, where),
        classes=classes_from_text(tags[CLASSES_TAG], where) if CLASSES_TAG in tags else (),
        tags={name: text for name, text in tags.items() if name not in OWN_TAGS},
        block_shape=tuple(dataset.block_shapes[0]),
        tiled=bool(dataset.profile.get("tiled")),
        scales=tuple(float(scale) for scale in dataset.scales),
        offsets=tuple(float(offset) for offset in dataset.offsets),
        masked=any(MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums),
    )


def classes_as_text(classes: tuple[Class, ...]) -> str:
    """The classes as one line of JSON, as they stand in the file's tags."""
    return json.dumps([asdict(each) for each in classes], separators=(",", ":"))


def classes_from_text(text: str, where: object) -> tuple[Class, ...]:
    """The classes from one line of JSON.

    Raises:
        BadScene: if the text is not what `classes_as_text` writes.
    """
    try:
        return tuple(Class(int(c["code"]), str(c["name"]), _colour(c["colour"])) for c in json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise BadScene(where, f"the tag {CLASSES_TAG} cannot be read", "remove the tag or write it anew") from error


def _colour(values: list[int]) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _band_names(dataset: Any) -> tuple[str, ...]:  # noqa: ANN401
    # Where a band has no description, its colour is a name too: that of an RGB picture.
    names = (
        text or _COLOURS.get(colour) or f"band{number}"
        for number, text, colour in zip(dataset.indexes, dataset.descriptions, dataset.colorinterp, strict=True)
    )
    return tuple(canonical(name) for name in names)


def _unit(dataset: Any, tags: Mapping[str, str], where: object) -> Unit:  # noqa: ANN401
    found = {(unit or "").strip().lower() for unit in dataset.units}
    if len(found) > 1:
        raise BadScene(where, f"bands of different units {sorted(found)}", "write one file a unit")
    name = found.pop()
    if name in UNITS:
        return cast("Unit", name)
    if name in _UNIT_ALIASES:
        return _UNIT_ALIASES[name]
    is_map = CLASSES_TAG in tags or dataset.colorinterp[0] == ColorInterp.palette
    return "class" if is_map else "digital_number"


def _acquired(tags: Mapping[str, str], where: object) -> datetime | None:
    if ACQUIRED_TAG not in tags:
        return None
    try:
        return datetime.fromisoformat(tags[ACQUIRED_TAG])
    except ValueError as error:
        reason = f"the acquisition time {tags[ACQUIRED_TAG]!r} is not ISO 8601"
        raise BadScene(where, reason, "mend the tag") from error
