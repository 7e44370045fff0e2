"""Uploaded dates to a series that is read by window: headers first, then pixels, every file in a decoder process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from components.errors import BandMismatch, GridMismatch
from components.raster.decoding import DecoderPool
from components.raster.grid import Grid, Window
from components.raster.header import SceneInfo
from components.raster.io import read_scene
from components.raster.lattice import place_on, union
from components.raster.limits import MB, OpenLimits
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Unit
from components.raster.stack_files import SeriesFile, ordered, passes
from components.raster.stack_units import radar_unit, require_plausible
from components.raster.stacks import Part, StackSource
from components.tasks.seam import InputSpec
from serving.errors import TooLarge, WrongInput
from serving.series.names import are_opera
from serving.uploads import require_place

LEAST_BYTES = 4  # of a decoded value: values are float32
SAMPLE_PX = 64  # side of the window in the middle of each file that tells decibels from linear numbers
GLIMPSE_PX = 256  # side of the window of all dates that statistics of inputs are taken from


@dataclass(frozen=True)
class Dated:
    """One file of a series: what its name says, and where its bytes from outside lie."""

    said: SeriesFile
    content: Path

    @property
    def name(self) -> str:
        """The name that its sender gave it; for messages only."""
        return self.said.path.name


@dataclass(frozen=True)
class Headers:
    """What the files of a series say before a pixel of them is decoded: in agreement, in the order of ``files``."""

    files: tuple[Dated, ...]
    infos: tuple[SceneInfo, ...]
    grid: Grid
    unit: Unit
    bands: tuple[str, ...]


def read_headers(files: Sequence[Dated], wanted: InputSpec, declared: Unit | None, decoders: DecoderPool) -> Headers:
    """The headers of a series that fits the input of a run.

    Raises:
        BadScene: if a file is none that may be opened, or nothing says its unit.
        TooLarge: if they are more than the decoders may decode.
        UnitMismatch, BandMismatch, GridMismatch, WrongInput: says what was expected and what was found.
        ServiceUnavailable: if no decoder process can be had.
    """
    infos = tuple(decoders.describe(each.content, name=each.name) for each in files)
    _require_room(infos, decoders.limits)
    unit = _unit(files, infos, declared)
    bands = ordered(name for each, info in zip(files, infos, strict=True) for name in _bands(each, info))
    if not set(wanted.bands) <= set(bands):
        raise BandMismatch(wanted.name, wanted.bands, bands)
    grid = _grid(files, infos)
    require_place(wanted.name, grid, wanted)
    return Headers(tuple(files), infos, grid, unit, wanted.bands)


def opened(headers: Headers, folder: Path, decoders: DecoderPool, going: Callable[[], None]) -> StackSource:
    """The series over files of our own in ``folder``; those from outside are gone. ``going`` is asked between files.

    Raises:
        BadScene: if a file is damaged, or its numbers cannot have the unit.
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
    dates = passes([each.said for each in headers.files])
    layers = tuple(tuple(parts[said] for said in date if said in parts) for date in dates)
    times = tuple(date[0].time for date in dates)
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


def _require_room(infos: Sequence[SceneInfo], limits: OpenLimits) -> None:
    """Nothing where all files together are no larger, decoded, than one may be."""
    sizes = (
        prod(info.grid.shape) * len(info.bands) * max(LEAST_BYTES, np.dtype(info.dtype).itemsize) for info in infos
    )
    found = sum(sizes)
    if found > limits.decoded_bytes:
        remedy = limits.remedy("decoded_bytes", "send fewer dates or a smaller window")
        limit = f"at most {limits.decoded_bytes / MB:.0f} MB are taken"
        raise TooLarge(f"series: {found / MB:.0f} MB decoded in {len(infos)} files, {limit}; {remedy}")


def _unit(files: Sequence[Dated], infos: Sequence[SceneInfo], declared: Unit | None) -> Unit:
    """The one unit of all files."""
    if declared is None and are_opera([each.said for each in files]):
        declared = "intensity"
    units = {each.name: radar_unit(declared, info.unit, each.name) for each, info in zip(files, infos, strict=True)}
    first_name, first = next(iter(units.items()))
    for name, unit in units.items():
        if unit != first:
            raise WrongInput(
                f"series: expected one unit, found {first} in {first_name} and {unit} in {name}; convert one of them"
            )
    return first


def _bands(file: Dated, info: SceneInfo) -> tuple[str, ...]:
    """The bands of a file: as it names them, or of a file with one band as its own name says."""
    if file.said.band is None:
        return info.bands
    if len(info.bands) != 1:
        raise BandMismatch(file.name, (file.said.band,), info.bands)
    return (file.said.band,)


def _grid(files: Sequence[Dated], infos: Sequence[SceneInfo]) -> Grid:
    """The grid of all files; bursts, which their names tell apart, lie side by side on it."""
    first = infos[0].grid
    for each, info in zip(files, infos, strict=True):
        if not each.said.part and not info.grid.same_as(first):
            raise GridMismatch(f"{files[0].name} {first}", f"{each.name} {info.grid}", "bring all dates onto one grid")
    return union({each.name: info.grid for each, info in zip(files, infos, strict=True)})


def _part(file: Dated, info: SceneInfo, path: Path, headers: Headers) -> Part:
    whole = Part(path, _bands(file, info), info.bands, place_on(headers.grid, info.grid))
    return whole.only(headers.bands)


def _require_numbers(part: Part, unit: Unit, name: str) -> None:
    window = _middle(part.window.rows, part.window.cols, SAMPLE_PX)
    require_plausible(read_scene(part.path, bands=part.file_bands, window=window).array.ravel(), unit, name)


def _middle(rows: int, cols: int, size: int) -> Window:
    row, col = max(0, (rows - size) // 2), max(0, (cols - size) // 2)
    return Window(row, col, size, size).within_shape((rows, cols))
