"""Uploaded dates to a series that is read by window: every file rewritten by us, none of it parsed in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.raster.decoding import DecoderPool
from components.raster.grid import Window
from components.raster.header import SceneInfo
from components.raster.io import read_scene
from components.raster.lattice import place_on
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Unit
from components.raster.stack_files import SeriesFile
from components.raster.stack_units import require_plausible
from components.raster.stacks import Part, StackSource
from components.tasks.seam import InputSpec
from serving.errors import as_wrong_input
from serving.series.headers import Dated, Headers, bands_of

SAMPLE_PX = 64  # side of the window in the middle of each file that tells decibels from linear numbers
GLIMPSE_PX = 256  # side of the window of all dates that statistics of inputs are taken from


def opened(headers: Headers, folder: Path, decoders: DecoderPool, going: Callable[[], None]) -> StackSource:
    """The series over files of our own in ``folder``; those from outside are gone. ``going`` is asked between files.

    Raises:
        BadScene: if a file is damaged.
        WrongInput: if its numbers cannot have the unit.
        OSError: if the disk is full.
    """
    parts: dict[SeriesFile, Part] = {}
    for index, (each, info) in enumerate(zip(headers.files, headers.infos, strict=True)):
        going()
        trusted = folder / f"series-{index:04d}.tif"
        decoders.launder(each.content, trusted, name=each.name)
        each.content.unlink()
        part = _part(each, info, trusted, headers)
        if part.bands:
            parts[each.said] = part
            _require_numbers(part, headers.unit, each.name)
    layers = tuple(tuple(parts[said] for said in date if said in parts) for date in headers.dates)
    times = tuple(date[0].time for date in headers.dates)
    return StackSource(headers.grid, times, headers.bands, headers.unit, layers, headers.files[0].said.orbit)


def each_date(source: StackSource) -> Iterator[StackSource]:
    """The dates of a series, each as a series of its own."""
    for date, parts in zip(source.dates, source.layers, strict=True):
        yield replace(source, dates=(date,), layers=(parts,))


def glimpse(source: StackSource, wanted: InputSpec) -> Scene:
    """The middle of every date, one below the other, in the unit of the input."""
    rows, cols = source.grid.shape
    stack = source.read(_middle(rows, cols, GLIMPSE_PX))
    array = np.concatenate(list(stack.array), axis=1)
    grid = replace(stack.grid, shape=array.shape[1:])
    return in_unit(Scene(array, grid, stack.bands, stack.unit, stack.nodata), wanted.unit)


def _part(file: Dated, info: SceneInfo, path: Path, headers: Headers) -> Part:
    whole = Part(path, bands_of(file, info), info.bands, place_on(headers.grid, info.grid))
    return whole.only(headers.bands)


def _require_numbers(part: Part, unit: Unit, name: str) -> None:
    window = _middle(part.window.rows, part.window.cols, SAMPLE_PX)
    values = read_scene(part.path, bands=part.file_bands, window=window).array.ravel()
    with as_wrong_input():
        require_plausible(values, unit, name)


def _middle(rows: int, cols: int, size: int) -> Window:
    row, col = max(0, (rows - size) // 2), max(0, (cols - size) // 2)
    return Window(row, col, size, size).within_shape((rows, cols))
