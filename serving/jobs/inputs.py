"""The inputs of a job as trusted files in a private folder, held against the spec as uploads are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

from components.errors import BadScene, BandMismatch, GridMismatch, ObjectNotFound
from components.raster.align import require_overlap
from components.raster.bands import band_indexes
from components.raster.grid import Grid, Window
from components.raster.header import SceneInfo
from components.raster.io import describe, read_scene
from components.raster.scene import Scene, Unit, valid_pixels
from components.tasks.seam import InputSpec, Spec
from serving.jobs.addresses import parse_address
from serving.jobs.files import JobFiles
from serving.jobs.row import InputRef
from serving.uploads import fitted

GLIMPSES = 4  # windows along each edge that values are sampled in
GLIMPSE_PX = 64


def fetch(files: JobFiles, job: str, name: str, ref: InputRef, path: Path) -> InputRef:
    """Where an input came from, with the SHA-256 of the bytes that now lie at ``path``.

    Raises:
        BadScene: if the object was changed or removed since the job was accepted.
        StoreUnavailable: if the store fails.
    """
    if "uri" not in ref:
        found = files.get_input(job, ref["digest"], path)
        if found != ref["digest"]:
            raise BadScene(name, "the stored bytes are other ones than were sent", "send the job again")
        return ref
    address = parse_address(ref["uri"], [ref["uri"].removeprefix("s3://").partition("/")[0]], name)
    changed = BadScene(name, f"{ref['uri']} changed since the job was accepted", "send the job again")
    try:
        if files.stat_object(address).etag != ref["etag"]:
            raise changed
        found = files.get_object(address, path)
        # Asked again: the bytes between two equal tags are those of the tag.
        if files.stat_object(address).etag != ref["etag"] or ref.get("digest", found) != found:
            raise changed
    except ObjectNotFound as error:
        raise changed from error
    return {**ref, "digest": found}


def require_fit(paths: Mapping[str, Path], spec: Spec, declared: Unit | None) -> None:
    """Nothing where the files are inputs of the spec: bands, unit, place, one grid, plausible values.

    Reads headers and a few small windows, never a whole raster. A file whose header names no unit takes the
    ``declared`` one.

    Raises:
        BandMismatch, GridMismatch, WrongInput: says what was expected and what was found.
    """
    headers = {each.name: _described(paths[each.name], each) for each in spec.inputs}
    for each in spec.inputs:
        glimpsed = fitted(glimpse(paths[each.name], headers[each.name], each), each, declared)
        if headers[each.name].unit != glimpsed.unit:
            _declare(paths[each.name], glimpsed.unit)
    _require_one_grid(spec, {name: header.grid for name, header in headers.items()})


def glimpse(path: Path, header: SceneInfo, spec: InputSpec) -> Scene:
    """Small windows all over a file side by side, with its CRS, pixel size, unit and the bands of the spec."""
    scenes = [read_scene(path, bands=spec.bands, window=window) for window in _places(header.grid)]
    pixels = [each.array[:, valid_pixels(each.array, each.nodata)] for each in scenes]
    array = np.concatenate(pixels, axis=1)[:, None, :]
    if array.shape[2] == 0:
        array = np.full((len(spec.bands), 1, 1), np.nan, np.float32)
    first = scenes[0]
    # One row of pixels about the centre of the file: the size of a pixel there is the size that counts.
    rows, cols = header.grid.shape
    moved = header.grid.transform @ _shift(cols / 2 - array.shape[2] / 2, rows / 2 - 0.5)
    return replace(first, array=array, grid=Grid(header.grid.crs, moved, (1, array.shape[2])))


def _shift(cols: float, rows: float) -> rasterio.Affine:
    return rasterio.Affine.translation(cols, rows)


def _places(grid: Grid) -> list[Window]:
    starts = []
    for length in grid.shape:
        size = min(GLIMPSE_PX, length)
        starts.append([(round(at), size) for at in np.unique(np.linspace(0, length - size, GLIMPSES).round())])
    return [Window(row, col, high, wide) for row, high in starts[0] for col, wide in starts[1]]


def _described(path: Path, spec: InputSpec) -> SceneInfo:
    header = describe(path)
    try:
        band_indexes(spec.bands, header.bands, spec.name)
    except BandMismatch:
        raise BandMismatch(spec.name, spec.bands, header.bands) from None
    return header


def _declare(path: Path, unit: Unit) -> None:
    """Writes the unit into a file of ours, so that the method reads it as every other."""
    with rasterio.open(path, "r+", driver="GTiff", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.units = (unit,) * dataset.count


def _require_one_grid(spec: Spec, grids: Mapping[str, Grid]) -> None:
    first, grid = next(iter(grids.items()))
    for each in spec.inputs:
        if each.resampling:
            require_overlap(each.name, grids[each.name], grid)
        elif not grids[each.name].same_as(grid):
            raise GridMismatch(f"{first} {grid}", f"{each.name} {grids[each.name]}")
