"""Uploaded bytes to inputs of a method: opened as hostile, then held against the spec."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from starlette.datastructures import UploadFile
from starlette.requests import Request

from components.errors import BandMismatch
from components.raster.align import align, require_overlap
from components.raster.decoding import DecoderPool
from components.raster.grid import Grid
from components.raster.scene import Scene, Unit, require_one_grid
from components.tasks.seam import InputSpec, Spec
from serving.errors import WrongForm, WrongInput
from serving.schemas import Form, read_options

MAX_FILES = 64
MAX_FIELDS = 16
MAX_SERIES_FILES = 512  # of one time series: every date may be several bursts in two polarisations
MAX_FIELD_BYTES = 4096
IN_MEMORY_BYTES = 1024**2  # larger files are spooled to disk by the form's parser, too
# Largest plausible values. Reflectance above 1 exists (clouds, glint), but not in half of a scene.
PLAUSIBLE: Mapping[Unit, tuple[float, float]] = {
    "reflectance": (-0.2, 1.5),
    "probability": (0.0, 1.0),
    "db": (-60.0, 40.0),
    "intensity": (0.0, 1e9),  # digital numbers squared stay below
    "amplitude": (0.0, 1e6),
}
LINEAR: Mapping[Unit, str] = {  # what makes a radar's decibels linear again
    "intensity": "decibels? convert them: 10 ** (db / 10) is intensity",
    "amplitude": "decibels? convert them: 10 ** (db / 20) is amplitude",
}
SIZE_TOLERANCE = 1.02  # pixel sizes of a geographic grid differ by latitude


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Form]:
    """The multipart form of a request; its large files lie on disk and are gone when left.

    Raises:
        WrongForm: if it is no multipart form, or a query key or a field stands where none may.
    """
    if request.query_params:
        keys = ", ".join(sorted(request.query_params))
        raise WrongForm(f"unknown query key {keys}; options are form fields, there are no query keys")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise WrongForm("send multipart/form-data with one GeoTIFF file an input")
    fields: dict[str, str] = {}
    files: dict[str, bytes | Path] = {}
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            for name, value in form.multi_items():
                if name in fields or name in files:
                    raise WrongForm(f"field {name} stands twice; send it once")
                if isinstance(value, UploadFile):
                    small = (value.size or 0) <= IN_MEMORY_BYTES
                    files[name] = await value.read() if small else await asyncio.to_thread(_kept, value)
                else:
                    fields[name] = value
        yield Form(read_options(fields), files)
    finally:
        for file in files.values():
            if isinstance(file, Path):
                file.unlink(missing_ok=True)


def _kept(upload: UploadFile) -> Path:
    """A file of ours with what the form's parser spooled to a file without a name."""
    with tempfile.NamedTemporaryFile(prefix="swath-upload-", delete=False) as file:
        try:
            shutil.copyfileobj(upload.file, file, IN_MEMORY_BYTES)
        except OSError:
            Path(file.name).unlink()
            raise
    return Path(file.name)


def open_inputs(form: Form, spec: Spec, decoders: DecoderPool) -> dict[str, Scene]:
    """The uploaded scenes by input name, with the bands of the spec in its order.

    Raises:
        WrongForm: if a file is missing or unknown.
        BadScene: if a file is none that may be opened.
        ServiceUnavailable: if no decoder process can be had.
        BandMismatch, GridMismatch, WrongInput: says what was expected and what was found.
    """
    for each in spec.inputs:
        if each.kind != "scene":
            raise WrongForm(not_served(each))
    names = [each.name for each in spec.inputs]
    for name in sorted(form.files.keys() ^ set(names)):
        what = "unknown file field" if name in form.files else "missing file"
        raise WrongForm(f"{what} {name}; this run takes {', '.join(names)}")
    opened = {each.name: decoders.open(form.files[each.name], name=each.name) for each in spec.inputs}
    scenes = {each.name: fitted(opened[each.name], each, form.options.unit) for each in spec.inputs}
    grid = next(iter(scenes.values())).grid
    for name, resampling in spec.resampling.items():
        require_overlap(name, scenes[name].grid, grid)
        scenes[name] = align(scenes[name], grid, resampling)
    require_one_grid(scenes)
    return scenes


def not_served(each: InputSpec) -> str:
    """Why an input that is no scene is refused among scenes, and what to do instead."""
    if each.kind == "stack":
        return (
            f"input {each.name} is a time series; send its files, each with its date in the name, as the field series "
            "to POST /<task>/series, or to POST /jobs where they are large"
        )
    return f"input {each.name} is a set of {each.kind}, which the service does not take; use swath predict"


def fitted(scene: Scene, spec: InputSpec, declared: Unit | None) -> Scene:
    """The scene with the bands of the spec, found by name; other bands of the file are left out.

    Raises:
        BandMismatch: if a band is missing.
        WrongInput: if unit, pixel size or CRS are not those of the spec, or the values cannot have the unit.
    """
    try:
        chosen = scene.select(spec.bands)
    except BandMismatch as error:
        raise BandMismatch(spec.name, spec.bands, scene.bands) from error
    chosen = _with_unit(chosen, spec, declared)
    require_place(spec.name, chosen.grid, spec)
    _require_plausible(chosen, spec)
    return chosen


def _with_unit(scene: Scene, spec: InputSpec, declared: Unit | None) -> Scene:
    """The scene in the unit of the spec; ``declared`` counts only where the file names no unit of its own."""
    if declared and scene.unit == "digital_number":
        scene = replace(scene, unit=declared)
    if scene.unit != spec.unit:
        raise WrongInput(
            f"{spec.name}: expected unit {spec.unit}, found {scene.unit}; set the unit of the bands in the file, "
            f"or send the form field unit={spec.unit} if the values are {spec.unit}"
        )
    return scene


def require_place(name: str, grid: Grid, spec: InputSpec) -> None:
    """Nothing where a grid has the CRS and the pixel size of the spec; ``name`` stands in messages.

    Raises:
        WrongInput: says what was expected and what was found.
    """
    if grid.crs is None:
        if spec.needs_crs:
            raise WrongInput(f"{name}: expected a CRS, found none; georeference the file")
        return
    if spec.pixel_size_m is None:
        return
    smallest, largest = spec.pixel_size_m
    found = grid.pixel_size_m
    if min(found) * SIZE_TOLERANCE < smallest or max(found) > largest * SIZE_TOLERANCE:
        raise WrongInput(
            f"{name}: expected pixels of {smallest:g} to {largest:g} m, found {found[0]:.3g} x {found[1]:.3g} m; "
            "resample the file"
        )


def _require_plausible(scene: Scene, spec: InputSpec) -> None:
    """Refuses values that cannot have their unit, such as digital numbers that are called reflectance."""
    low, high = PLAUSIBLE.get(spec.unit, (-np.inf, np.inf))
    values = scene.array[:, scene.valid]
    if values.size == 0:
        return
    middle = float(np.median(values))
    if not low <= middle <= high:
        decibels = middle < 0 and spec.unit in LINEAR
        raise WrongInput(
            f"{spec.name}: expected {spec.unit} between {low:g} and {high:g}, found a median of {middle:.4g}; "
            f"{LINEAR[spec.unit] if decibels else 'apply scale and offset of the product, or store them in the file'}"
        )
