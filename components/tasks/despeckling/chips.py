"""From ingested sources to chips: all dates of a place as one stack, and what is known of the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from components.errors import BadScene, NotEnoughData, UnknownName
from components.raster.dataset import Source
from components.raster.grid import Grid, Window
from components.raster.io import read_scene
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Stack, Value, require_one_grid
from components.tasks.chips import Chip
from components.tasks.despeckling.options import MethodOptions, PrepareOptions
from components.tasks.despeckling.scenes import KIND, REFLECTIVITY, SERIES

DATE = "date-"  # roles of a source: one a date


def cut(sources: Sequence[Source], prepare: PrepareOptions, method: MethodOptions) -> Iterator[Chip]:
    """Chips of at most ``block_px`` a side: the series of a place, in the unit of the run.

    Targets are what the source holds of the truth: the last date without speckle (role `reflectivity`), as intensity,
    and what kind of ground each pixel is (role `kind`). A place is a source, or its northern or southern half.

    Raises:
        NotEnoughData: if a source has fewer than two dates, or is smaller than the gap between its halves.
        UnknownName: if a place to leave out is none of the sources'.
        BadScene: if a file does not say when it was acquired.
        GridMismatch: if the scenes of a source do not share one grid.
        BandMismatch, UnitMismatch: if a band is missing or a scene has another unit.
    """
    known = {source.place for source in sources}
    for place in prepare.leave_out:
        if place not in known:
            raise UnknownName("place", place, known)
    for source in (each for each in sources if each.place not in prepare.leave_out):
        series, targets = _series(source, method), _targets(source, method)
        grid = require_one_grid({SERIES: series, **targets})
        for place, window in _places(source.place, grid, prepare):
            name = source.id if window == grid.window else f"{source.id}-r{window.row}-c{window.col}"
            inputs: dict[str, Value] = {SERIES: series.crop(window)}
            kept = {role: scene.crop(window) for role, scene in targets.items()}
            yield Chip(name, place, source.id, window, inputs, kept)


def _places(place: str, grid: Grid, prepare: PrepareOptions) -> Iterator[tuple[str, Window]]:
    """Windows of at most ``block_px`` a side with the place that they belong to."""
    if prepare.places == "sources":
        yield from ((place, window) for window in grid.tiles(prepare.block_px))
        return
    rows, cols = grid.shape
    north = (rows - prepare.gap_px) // 2
    if north < 1:
        raise NotEnoughData(f"{place}: {rows} rows cannot be halved with a gap of {prepare.gap_px}")
    for name, first, count in (("north", 0, north), ("south", north + prepare.gap_px, rows - north - prepare.gap_px)):
        half = Window(first, 0, count, cols)
        for tile in grid.crop(half).tiles(prepare.block_px):
            yield f"{place}-{name}", Window(first + tile.row, tile.col, tile.rows, tile.cols)


def _series(source: Source, method: MethodOptions) -> Stack:
    roles = sorted(role for role in source.files if role.startswith(DATE))
    if len(roles) < 2:
        raise NotEnoughData(f"source {source.id} has {len(roles)} dates; learning from noise alone needs at least two")
    scenes = {role: _read(source, role, method) for role in roles}
    grid = require_one_grid(scenes)
    for role, scene in scenes.items():
        if scene.acquired is None:
            raise BadScene(source.files[role], "it does not say when it was acquired", "ingest it with its date")
    ordered = sorted(scenes.values(), key=lambda scene: str(scene.acquired))
    dates = tuple(scene.acquired for scene in ordered if scene.acquired)
    array = np.stack([scene.array for scene in ordered])
    return Stack(array, grid, method.canonical_bands, method.unit, dates, float("nan"))


def _targets(source: Source, method: MethodOptions) -> dict[str, Scene]:
    targets = {}
    if REFLECTIVITY in source.files:
        targets[REFLECTIVITY] = in_unit(_read(source, REFLECTIVITY, method), "intensity")
    if KIND in source.files:
        targets[KIND] = read_scene(source.files[KIND]).require("class", f"{source.id} {KIND}")
    return targets


def _read(source: Source, role: str, method: MethodOptions) -> Scene:
    return read_scene(source.files[role], bands=method.canonical_bands).require(method.unit, f"{source.id} {role}")
