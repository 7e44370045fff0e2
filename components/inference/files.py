"""Prediction from files to a file: windowed reads in, one Cloud Optimised GeoTIFF out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from components.errors import UnknownName
from components.inference.method import Method, Outputs
from components.inference.tiled import Progress, predict, predict_tiles
from components.raster.cog import write_scene
from components.raster.grid import Grid, Window
from components.raster.io import describe, read_scene
from components.raster.scene import Features, Scene

Bands = Mapping[str, Sequence[str]]


@runtime_checkable
class WithoutSurvey(Protocol):
    """A method that may declare `needs_survey = False`: then no pass over the whole scene is read for it."""

    needs_survey: bool


def predict_file(
    method: Method,
    paths: Mapping[str, Path],
    out: Path,
    *,
    output: str,
    bands: Bands | None = None,
    tags: Mapping[str, str] | None = None,
    tile_px: int = 512,
    progress: Progress | None = None,
) -> Scene:
    """The output of that name, written as a COG on the grid of the inputs, with ``tags`` in its metadata.

    ``bands`` names the bands to read by input; all of the file's for an input that is not named. The file
    appears whole or not at all.

    Raises:
        GridMismatch: if the inputs do not share one grid.
        BandMismatch: if a file lacks a band.
        BadScene: if a file cannot be read.
        UnknownName: if the method has no raster output of that name; lists those it has.
    """
    outputs = _predicted(method, paths, bands or {}, tile_px, progress)
    found = outputs.get(output)
    if found is None or isinstance(found, Features):
        raise UnknownName("raster output", output, [n for n, each in outputs.items() if isinstance(each, Scene)])
    scene = replace(found, tags={**found.tags, **(tags or {})})
    write_scene(scene, out)
    return scene


def _predicted(
    method: Method, paths: Mapping[str, Path], bands: Bands, tile_px: int, progress: Progress | None
) -> Outputs:
    """Outputs in memory; inputs by window where no whole-scene pass is needed."""
    grid = _one_grid(paths)

    def read(window: Window | None) -> dict[str, Scene]:
        return {name: read_scene(path, bands=bands.get(name), window=window) for name, path in paths.items()}

    whole = method.halo_px is None or max(grid.shape) <= tile_px
    surveyed = not (isinstance(method, WithoutSurvey) and not method.needs_survey)
    if whole or surveyed:
        return predict(method, read(None), tile_px=tile_px, progress=progress)
    return predict_tiles(method, grid, read, tile_px=tile_px, progress=progress)


def _one_grid(paths: Mapping[str, Path]) -> Grid:
    """The grid of all files; refused before the first pixel is read where they differ."""
    grids = [describe(path).grid for path in paths.values()]
    for grid in grids[1:]:
        grids[0].require_same(grid)
    return grids[0]
