"""From ingested sources to chips of whole series: every date of a window, what changed there, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import describe, read_scene
from components.raster.scene import Scene, Stack, require_one_grid
from components.tasks.change.chips import change_of
from components.tasks.change.options import PrepareOptions
from components.tasks.change.pair import CHANGE
from components.tasks.change.reactiv import SERIES
from components.tasks.change.scoring import KIND, SPAN
from components.tasks.change.series_options import SeriesOptions
from components.tasks.chips import Chip

DATE = re.compile(r"date-\d{8}")
LEAST_DATES = 2
SPAN_BANDS = ("first", "last")


def cut(sources: Sequence[Source], prepare: PrepareOptions, method: SeriesOptions) -> Iterator[Chip]:
    """Chips of at most ``block_px`` a side with all dates (roles `date-YYYYMMDD`) as one series.

    Targets: `change`, `kind`, and where the source says it `span`, the indexes of the first and last date of a change.

    Raises:
        NotEnoughData: if a source has fewer than two dates, or no truth.
        GridMismatch: if dates and truth of a source do not share one grid.
        BandMismatch, UnitMismatch: if a band is missing or a date has another unit.
    """
    for source in sources:
        roles = sorted(role for role in source.files if DATE.fullmatch(role))
        if len(roles) < LEAST_DATES or KIND not in source.files:
            raise NotEnoughData(
                f"source {source.id}: expected {LEAST_DATES} or more dates (roles date-YYYYMMDD) and the role {KIND}, "
                f"found {len(roles)} dates and the roles {', '.join(sorted(source.files.keys() - set(roles)))}; "
                "a change run on series needs both"
            )
        grid = describe(source.files[KIND]).grid
        for window in grid.tiles(prepare.block_px):
            name = source.id if window == grid.window else f"{source.id}-r{window.row}-c{window.col}"
            series = _series(source, roles, method, window)
            yield Chip(name, source.place, source.id, window, {SERIES: series}, _truth(source, prepare, window, series))


def _series(source: Source, roles: Sequence[str], method: SeriesOptions, window: Window) -> Stack:
    scenes = {role: _read(source, role, method, window) for role in roles}
    grid = require_one_grid(scenes)
    dates = tuple(scene.acquired or datetime.fromisoformat(f"{role[5:]}T00Z") for role, scene in scenes.items())
    array = np.stack([_with_gaps(scene) for scene in scenes.values()])
    return Stack(array, grid, method.canonical_bands, method.unit, dates, float("nan"))


def _read(source: Source, role: str, method: SeriesOptions, window: Window) -> Scene:
    bands = method.canonical_bands
    return read_scene(source.files[role], bands=bands, window=window).require(method.unit, f"{source.id} {role}")


def _with_gaps(scene: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Pixels as float32, NaN where there is no data."""
    values = scene.array.astype(np.float32)
    return values if scene.nodata is None else np.where(scene.array == scene.nodata, np.float32(np.nan), values)


def _truth(source: Source, prepare: PrepareOptions, window: Window, series: Stack) -> dict[str, Scene]:
    kind = read_scene(source.files[KIND], window=window).require("class", f"{source.id} {KIND}")
    found = {CHANGE: change_of(kind, prepare.kinds), KIND: kind}
    if SPAN in source.files:
        span = read_scene(source.files[SPAN], bands=SPAN_BANDS, window=window)
        found[SPAN] = replace(span, array=span.array.astype(np.int16), nodata=None)
    require_one_grid({SERIES: series, **found})
    return found
