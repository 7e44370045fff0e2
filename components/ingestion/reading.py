"""From source files to scenes: units applied once, labels recoded, everything doubtful refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.ingestion.ages import age
from components.ingestion.assembling import assemble, assembly_of
from components.ingestion.bitmaps import SUFFIX as BITMAP
from components.ingestion.bitmaps import read_bitmap
from components.ingestion.boxes import read_boxes
from components.ingestion.candidates import Candidate
from components.ingestion.declaration import Declaration
from components.ingestion.labels import read_label
from components.ingestion.matlab import SUFFIX, read_mat
from components.ingestion.netcdf import SUFFIX as NETCDF
from components.ingestion.netcdf import read_cube
from components.ingestion.roles import NODATA_CODE, ImageDeclaration, Storage
from components.ingestion.vector_labels import Drawn, Layers, draw_label
from components.raster.bands import band_indexes, canonical
from components.raster.decoding import DecoderPool
from components.raster.encoding import Encoding
from components.raster.scene import Array, Features, Scene, require_one_grid

MOST_DB = 100.0  # no backscatter of any ground is stronger or weaker
EXACT_STEPS = 1e-3  # a stored step this far from a whole number is not that number


@dataclass(frozen=True)
class Reading:
    """The scenes of a candidate by role, and what was done to them that nobody could know before."""

    scenes: Mapping[str, Scene]
    features: Mapping[str, Features] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_candidate(
    candidate: Candidate, declaration: Declaration, decoders: DecoderPool, layers: Layers | None = None
) -> Reading:
    """The scenes of a candidate by role, on one grid, in physical units, labels as class codes.

    Its files come from outside: rasters are parsed by ``decoders`` only. ``layers`` keeps vector files open between
    candidates.

    Raises:
        SwathError: says why the candidate cannot be used (broken, empty, no CRS, other grid, unknown label value).
    """
    scenes, facts = _images(candidate, declaration, decoders)
    labels = _labels(candidate, declaration, scenes, decoders)
    facts |= {
        f"swath:{role}": {"age": age(day, day, scenes.values())}
        for role, day in ((role, time.date()) for role, time in candidate.acquired.items() if role in labels)
    }
    scenes |= labels
    features: dict[str, Features] = {}
    for role, drawn in _drawn(candidate, declaration, scenes, layers or Layers()).items():
        scenes[role] = drawn.scene
        facts[f"swath:{role}"] = drawn.facts
        if declaration.all_labels[role].keeps_features:
            features[f"{role}-features"] = drawn.features
    _require_place(candidate, declaration, scenes)
    grid = require_one_grid(scenes)
    if declaration.boxes:
        features[declaration.boxes.role] = read_boxes(candidate.files, declaration.boxes, grid, decoders)
    return Reading(scenes, features, facts)


def _images(
    candidate: Candidate, declaration: Declaration, decoders: DecoderPool
) -> tuple[dict[str, Scene], dict[str, Any]]:
    scenes: dict[str, Scene] = {}
    facts: dict[str, Any] = {}
    for role in candidate.bands:
        if image := declaration.image_of(role):
            scenes[role], done = assemble(candidate, role, image, assembly_of(declaration.layout), decoders)
            _refuse_empty(scenes[role].array, scenes[role].valid, candidate.id)
            facts |= done
    for role, path in candidate.files.items():
        if image := declaration.image_of(role):
            scenes[role] = read_image(path, image, decoders)
    return {role: replace(each, acquired=candidate.acquired.get(role)) for role, each in scenes.items()}, facts


def _drawn(
    candidate: Candidate, declaration: Declaration, scenes: Mapping[str, Scene], layers: Layers
) -> dict[str, Drawn]:
    """Labels that are features, on the grid of the first image."""
    images = list(scenes.values())
    drawn = [role for role, label in declaration.all_labels.items() if label.vectors and role in candidate.files]
    if drawn and not images:
        raise BadScene(candidate.id, "has no image to draw features on", "declare the image in dataset.yaml")
    return {role: draw_label(candidate.files[role], declaration.all_labels[role], images, layers) for role in drawn}


def _require_place(candidate: Candidate, declaration: Declaration, scenes: Mapping[str, Scene]) -> None:
    for role, scene in scenes.items():
        if declaration.needs_crs and scene.grid.crs is None:
            where = candidate.files.get(role, candidate.id)
            raise BadScene(where, "has no CRS", "ask its maker, or set needs_crs: false if it has no place")


def encodings(roles: Collection[str], declaration: Declaration) -> Mapping[str, Encoding]:
    """How each role is stored, as the declaration says."""
    images = {role: declaration.image_of(role) for role in roles}
    stored = {role: _encoding(image.storage) for role, image in images.items() if image}
    labels = [role for role in declaration.all_labels if role in roles]
    return stored | dict.fromkeys(labels, Encoding("uint8", nodata=NODATA_CODE))


def _encoding(storage: Storage) -> Encoding:
    return Encoding(storage.dtype, scale=storage.scale, nodata=storage.nodata)


def read_image(path: Path, image: ImageDeclaration, decoders: DecoderPool) -> Scene:
    """The declared bands of one file in physical units; NaN where a band holds no value.

    Raises:
        SwathError: if the file is broken, empty, lacks a band, or holds numbers that the storage cannot.
    """
    image = image.of_file(path)
    raw = _raw(path, image, decoders)
    array = _declared_bands(raw, image, path)
    unseen = ~np.isfinite(array)
    for nodata in (raw.nodata, image.nodata):
        if nodata is not None and not np.isnan(nodata):
            unseen |= array == nodata
    valid: NDArray[np.bool_] = np.asarray(~unseen.any(axis=0))
    _refuse_empty(array, valid, path)
    values = np.where(unseen, np.nan, array) * image.scale + image.offset
    if image.decibels:
        values = _linear(values, image, path)
    _refuse_inexact(values[:, valid], image.storage, path)
    bands = tuple(canonical(name) for name in image.bands)
    if image.storage.nodata is None and not unseen.any():
        return Scene(values.astype(image.storage.dtype), raw.grid, bands, image.unit)  # type: ignore[arg-type]
    return Scene(values.astype(np.float32), raw.grid, bands, image.unit, nodata=np.nan)  # type: ignore[arg-type]


def _raw(path: Path, image: ImageDeclaration, decoders: DecoderPool) -> Scene:
    if path.suffix.lower() == NETCDF:
        return read_cube(path, image.names or image.bands, image.date, decoders.limits)
    if path.suffix.lower() == BITMAP:
        return read_bitmap(path, decoders.limits)
    return _read(path, decoders, image.variable)


def _read(path: Path, decoders: DecoderPool, variable: str | None = None) -> Scene:
    """The stored numbers; refused where the file carries a scale of its own (it would be applied twice)."""
    if path.suffix.lower() == SUFFIX:
        return read_mat(path, variable, decoders.limits)
    if decoders.describe(path, name=str(path)).scaled:
        raise BadScene(path, "carries a scale or offset of its own", "declare it in dataset.yaml and unset it here")
    return decoders.open(path, name=str(path), decode=False)


def _declared_bands(raw: Scene, image: ImageDeclaration, path: Path) -> NDArray[np.float64]:
    """The declared bands in the declared order: by name where the file names them rightly, else by position."""
    nameless = all(re.fullmatch(r"band\d+", name) for name in raw.bands)  # what the reader calls a band without a name
    unnamed = image.by_position or (nameless and image.names is None)
    if unnamed and len(raw.bands) != len(image.bands):
        raise BadScene(path, f"holds {len(raw.bands)} unnamed bands, {len(image.bands)} are declared", "mend the file")
    indexes = list(range(len(raw.bands))) if unnamed else band_indexes(image.names or image.bands, raw.bands, path)
    return np.asarray(raw.array[indexes], dtype=np.float64)


def _linear(decibels: NDArray[np.float64], image: ImageDeclaration, path: Path) -> NDArray[np.float64]:
    """Intensity or amplitude of a backscatter in decibels, as the unit says; NaN stays NaN."""
    if np.nanmax(np.abs(decibels), initial=0) > MOST_DB:
        raise BadScene(path, f"holds values beyond {MOST_DB:g} dB", "linear already? leave out decibels: true")
    return np.asarray(np.power(10, decibels / (10 if image.unit == "intensity" else 20)))


def _refuse_empty(array: Array, valid: NDArray[np.bool_], path: object) -> None:
    if not valid.any():
        raise BadScene(path, "is empty: no pixel holds a value in every band", "fetch it again")
    seen = array[:, valid]
    if seen.shape[1] > 1 and (seen == seen[:, :1]).all():
        raise BadScene(path, "is empty: every pixel holds the same value", "fetch it again")


def _refuse_inexact(values: Array, storage: Storage, path: Path) -> None:
    """Range and nodata are checked when the file is written; only rounding would go unnoticed there."""
    steps = values / storage.scale
    if storage.dtype != "float32" and np.abs(steps - np.round(steps)).max() > EXACT_STEPS:
        raise BadScene(path, f"holds values between the steps of {storage.scale:g}", "store float32 in dataset.yaml")


def _labels(
    candidate: Candidate, declaration: Declaration, scenes: Mapping[str, Scene], decoders: DecoderPool
) -> dict[str, Scene]:
    found = {}
    for role, label in declaration.all_labels.items():
        if role in candidate.files and not label.vectors:
            scene = read_label(candidate.files[role], label, _read(candidate.files[role], decoders, label.variable))
            found[role] = _placed(scene, scenes, candidate.files[role]) if label.like_image else scene
    return found


def _placed(label: Scene, scenes: Mapping[str, Scene], path: Path) -> Scene:
    """A label that was published without a place, on the grid of the image that it was drawn on."""
    image = next(iter(scenes.values()), label)
    if label.grid.crs is not None:
        return label
    if label.grid.shape != image.grid.shape:
        raise BadScene(path, f"has {label.grid.shape} pixels, its image {image.grid.shape}", "mend the file")
    return replace(label, grid=image.grid)
