"""From source files to scenes: units applied once, labels recoded, everything doubtful refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.ingestion.declaration import NODATA_CODE, Declaration, ImageDeclaration, LabelDeclaration, Storage
from components.ingestion.discovery import Candidate
from components.raster.bands import band_indexes, canonical
from components.raster.decoding import DecoderPool
from components.raster.encoding import Encoding
from components.raster.scene import Array, Scene, require_one_grid

EXACT_STEPS = 1e-3  # a stored step this far from a whole number is not that number


def read_candidate(candidate: Candidate, declaration: Declaration, decoders: DecoderPool) -> Mapping[str, Scene]:
    """The scenes of a candidate by role, on one grid, in physical units, labels as class codes.

    Its files come from outside: they are parsed by ``decoders`` only.

    Raises:
        SwathError: says why the candidate cannot be used (broken, empty, no CRS, other grid, unknown label value).
    """
    scenes: dict[str, Scene] = {}
    for role, path in candidate.files.items():
        if declaration.label and role == declaration.label.role:
            scenes[role] = _label(path, declaration.label, decoders)
        elif declaration.image:
            scenes[role] = image(path, declaration.image, decoders)
        if declaration.needs_crs and scenes[role].grid.crs is None:
            raise BadScene(path, "has no CRS", "ask its maker, or set needs_crs: false if it has no place")
    require_one_grid(scenes)
    return scenes


def encodings(scenes: Mapping[str, Scene], declaration: Declaration) -> Mapping[str, Encoding]:
    """How each role is stored, as the declaration says."""
    label = declaration.label.role if declaration.label else None
    stored = {role: _encoding(declaration.image.storage) for role in scenes if declaration.image and role != label}
    return stored | {role: Encoding("uint8", nodata=NODATA_CODE) for role in scenes if role == label}


def _encoding(storage: Storage) -> Encoding:
    return Encoding(storage.dtype, scale=storage.scale, nodata=storage.nodata)


def image(path: Path, declared: ImageDeclaration, decoders: DecoderPool) -> Scene:
    """The declared bands of one file in physical units; NaN where a band holds no value.

    Raises:
        SwathError: if the file is broken, empty, lacks a band, or holds numbers that the storage cannot.
    """
    raw = _read(path, decoders)
    array = _declared_bands(raw, declared, path)
    unseen = ~np.isfinite(array)
    for nodata in (raw.nodata, declared.nodata):
        if nodata is not None and not np.isnan(nodata):
            unseen |= array == nodata
    valid: NDArray[np.bool_] = np.asarray(~unseen.any(axis=0))
    _refuse_empty(array, valid, path)
    values = array * declared.scale + declared.offset
    _refuse_inexact(values[:, valid], declared.storage, path)
    bands = tuple(canonical(name) for name in declared.bands)
    if declared.storage.nodata is None and not unseen.any():
        return Scene(values.astype(declared.storage.dtype), raw.grid, bands, declared.unit)  # type: ignore[arg-type]
    stored = np.where(unseen, np.nan, values).astype(np.float32)
    return Scene(stored, raw.grid, bands, declared.unit, nodata=np.nan)  # type: ignore[arg-type]


def _read(path: Path, decoders: DecoderPool) -> Scene:
    """The stored numbers; refused where the file carries a scale of its own (it would be applied twice)."""
    if decoders.describe(path, name=str(path)).scaled:
        raise BadScene(path, "carries a scale or offset of its own", "declare it in dataset.yaml and unset it here")
    return decoders.open(path, name=str(path), decode=False)


def _declared_bands(raw: Scene, image: ImageDeclaration, path: Path) -> NDArray[np.float64]:
    """The declared bands in the declared order: by name where the file names them, else by position."""
    unnamed = all(re.fullmatch(r"band\d+", name) for name in raw.bands)  # what the reader calls a band without a name
    if unnamed and len(raw.bands) != len(image.bands):
        raise BadScene(path, f"holds {len(raw.bands)} unnamed bands, {len(image.bands)} are declared", "mend the file")
    indexes = list(range(len(raw.bands))) if unnamed else band_indexes(image.bands, raw.bands, path)
    return np.asarray(raw.array[indexes], dtype=np.float64)


def _refuse_empty(array: Array, valid: NDArray[np.bool_], path: Path) -> None:
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


def _label(path: Path, label: LabelDeclaration, decoders: DecoderPool) -> Scene:
    raw = _read(path, decoders)
    if len(raw.bands) != 1:
        raise BadScene(path, f"a label has one band, this one has {len(raw.bands)}", "mend the file")
    found = np.unique(raw.array)
    unknown = [float(value) for value in found if value not in label.values and value != raw.nodata]
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise BadScene(path, f"holds label values that are not declared: {shown}", "add them to label.values")
    codes = np.full(raw.array.shape, NODATA_CODE, dtype=np.uint8)
    for value, code in label.values.items():
        codes[raw.array == value] = code
    return Scene(codes, raw.grid, ("class",), "class", nodata=NODATA_CODE, classes=label.as_classes())
