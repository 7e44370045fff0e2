"""Prediction from files to files: windows in, Cloud Optimised GeoTIFF or GeoJSON out, memory for a few tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.errors import UnknownName
from components.inference.engine import Plan, Progress, Stop, run
from components.inference.method import Method, WithoutSurvey
from components.inference.rasters import Bands, Rasters, Readable, grid_of, require_bands
from components.inference.sampling import survey_view
from components.inference.sheets import Sheets
from components.inference.tiled import TILE_PX, plan_of
from components.inference.tiling import Layout
from components.inference.timings import Timings
from components.raster.align import Resampling, require_overlap
from components.raster.atomic import write_text
from components.raster.grid import Grid
from components.raster.handles import block_cache
from components.raster.vectors import to_geojson


@dataclass(frozen=True)
class Prediction:
    """What was written where, and where the time went."""

    path: Path
    grid: Grid
    timings: Timings


def predict_file(
    method: Method,
    paths: Mapping[str, Readable],
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
    input that is not named. An input may be a series, of which each tile reads its own window; where it has many
    dates, tiles are smaller. A file that ``resampling`` names may lie on another grid than the first: it is then
    brought onto that one. A file appears whole or not at all. A method with a survey is shown the whole scene, or
    evenly spread blocks of one of more than 4096 x 4096 pixels (of a series, as many as memory allows); a method
    without halo gets the whole scene whatever its size.

    Raises:
        GridMismatch: if the inputs do not share one grid.
        BandMismatch: if a file or a series lacks a band.
        BadScene: if a file cannot be read.
        UnknownName: if the method has no output of that name; lists those it has.
        PredictionStopped: if ``stop`` said so between two tiles.
        OSError: if the disk is full; nothing is left behind then.
    """
    resampling, also = resampling or {}, also or {}
    grid = grid_of({name: each for name, each in paths.items() if name not in resampling})
    for name in resampling:
        require_overlap(name, grid_of({name: paths[name]}), grid)
    require_bands(paths, bands or {})
    source = Rasters(dict(paths), dict(bands or {}), grid, resampling)
    wants_survey = not (isinstance(method, WithoutSurvey) and not method.needs_survey)
    surveyed = method.survey(survey_view(source, source.survey_px)) if wants_survey else method
    plan = _plan(surveyed, source.grid, source.tile_px(tile_px))
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
