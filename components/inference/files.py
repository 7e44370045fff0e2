"""Prediction from files to files: windows in, Cloud Optimised GeoTIFF or GeoJSON out, memory for a few tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.errors import UnknownName
from components.inference.engine import Plan, Progress, Stop, run
from components.inference.method import Inputs, Method, WithoutSurvey
from components.inference.sampling import survey_view
from components.inference.sheets import Sheets
from components.inference.tiled import TILE_PX, plan_of
from components.inference.tiling import STRIP, Layout
from components.inference.timings import Timings
from components.raster.align import Resampling, read_aligned, require_overlap, window_around
from components.raster.atomic import write_text
from components.raster.grid import Grid, Window
from components.raster.handles import block_cache
from components.raster.io import describe, holds_data, read_scene
from components.raster.scene import Scene
from components.raster.vectors import to_geojson

Bands = Mapping[str, Sequence[str]]
LEAST_CACHE, MOST_CACHE = 16 * 2**20, 256 * 2**20  # bytes of decoded blocks


@dataclass(frozen=True)
class Prediction:
    """What was written where, and where the time went."""

    path: Path
    grid: Grid
    timings: Timings


def predict_file(
    method: Method,
    paths: Mapping[str, Path],
    out: Path,
    *,
    output: str,
    also: Mapping[str, Path] | None = None,
    bands: Bands | None = None,
    resampling: Mapping[str, Resampling] | None = None,
    tags: Mapping[str, str] | None = None,
    tile_px: int = TILE_PX,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Prediction:
    """The output of that name on the grid of the inputs: a raster as COG with ``tags``, features as GeoJSON.

    ``also`` names files for further outputs. ``bands`` names the bands to read by input; all of the file's for an
    input that is not named. An input that ``resampling`` names may lie on another grid than the first: it is then
    brought onto that one. A file appears whole or not at all. A method with a survey is shown the whole scene, or
    evenly spread blocks of one of more than 4096 x 4096 pixels; a method without halo gets the whole scene whatever
    its size.

    Raises:
        GridMismatch: if the inputs do not share one grid.
        BandMismatch: if a file lacks a band.
        BadScene: if a file cannot be read.
        UnknownName: if the method has no output of that name; lists those it has.
        PredictionStopped: if ``stop`` said so between two tiles.
        OSError: if the disk is full; nothing is left behind then.
    """
    resampling, also = resampling or {}, also or {}
    grid = _one_grid({name: path for name, path in paths.items() if name not in resampling})
    for name in resampling:
        require_overlap(name, describe(paths[name]).grid, grid)
    source = _Files(dict(paths), dict(bands or {}), grid, resampling)
    wants_survey = not (isinstance(method, WithoutSurvey) and not method.needs_survey)
    surveyed = method.survey(survey_view(source)) if wants_survey else method
    plan = _plan(surveyed, source.grid, tile_px)
    wanted = {**also, output: out}
    sheets = Sheets(source.grid, wanted, tags or {}, plan.layout.blend_px > 0)
    with block_cache(source.cache_bytes(plan)), sheets:
        timings = run(surveyed, source, sheets, plan, progress, stop)
        for name in wanted:
            if name not in sheets.found:
                raise UnknownName("output", name, sheets.found)
            if name in sheets.features:
                text = json.dumps(to_geojson(sheets.features[name].joined()), separators=(",", ":"))
                write_text(wanted[name], text)
        sheets.finish()
    return Prediction(out, source.grid, timings)


def _plan(method: Method, grid: Grid, tile_px: int) -> Plan:
    """One tile where the method needs the whole scene, or the scene is no larger than a tile."""
    if method.halo_px is not None and max(grid.shape) > tile_px:
        return plan_of(method, tile_px)
    return Plan(Layout(max(grid.shape), 0), readers=1)


@dataclass(frozen=True)
class _Files:
    """Rasters on disk, read by window of the grid; a thread has handles of its own."""

    paths: Mapping[str, Path]
    bands: Bands
    grid: Grid
    resampling: Mapping[str, Resampling]

    def read(self, window: Window) -> Inputs:
        return {name: self._read(name, path, window) for name, path in self.paths.items()}

    def _read(self, name: str, path: Path, window: Window) -> Scene:
        bands = self.bands.get(name)
        if self._lies_on_grid(path):
            return read_scene(path, bands=bands, window=window)
        part = self.grid.crop(window)
        if window_around(describe(path).grid, part) is None:
            return _nothing(read_scene(path, bands=bands, window=Window(0, 0, 1, 1)), part)
        (scene,) = read_aligned([path], part, self.resampling[name], bands=bands)
        return scene

    def _lies_on_grid(self, path: Path) -> bool:
        return describe(path).grid.same_as(self.grid)

    def cache_bytes(self, plan: Plan) -> int:
        """What must stay decoded so that no block is decoded twice in a strip: as much as some tiles, no more."""
        infos = {name: describe(path) for name, path in self.paths.items()}
        pixel = sum(len(self.bands.get(n, i.bands)) * np.dtype(i.dtype).itemsize for n, i in infos.items())
        margin = 2 * (plan.layout.margin_px + max(max(info.block_shape) for info in infos.values()))
        height, width = (min(plan.layout.size_px * n + margin, max(self.grid.shape)) for n in (1, STRIP))
        return min(max(LEAST_CACHE, plan.readers * pixel * height * width), MOST_CACHE)

    def surely_empty(self, window: Window) -> bool:
        return not any(holds_data(path, window) for path in self.paths.values() if self._lies_on_grid(path))


def _nothing(kind: Scene, grid: Grid) -> Scene:
    """A scene without a pixel, for ground that a file does not cover."""
    nodata = np.nan if kind.nodata is None else kind.nodata
    dtype = np.result_type(kind.array, np.float32) if np.isnan(nodata) else kind.array.dtype
    return kind.with_array(np.full((len(kind.bands), *grid.shape), nodata, dtype), grid=grid, nodata=nodata)


def _one_grid(paths: Mapping[str, Path]) -> Grid:
    """The grid of all files; refused before the first pixel is read where they differ."""
    grids = [describe(path).grid for path in paths.values()]
    for grid in grids[1:]:
        grids[0].require_same(grid)
    return grids[0]
