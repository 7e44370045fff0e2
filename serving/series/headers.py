"""What the files of a series say of themselves, held together before a pixel of any is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from components.errors import BandMismatch, GridMismatch
from components.raster.decoding import DecoderPool
from components.raster.grid import Grid
from components.raster.header import SceneInfo
from components.raster.lattice import union
from components.raster.limits import MB, OpenLimits
from components.raster.scene import Unit
from components.raster.stack_files import SeriesFile, ordered, passes
from components.raster.stack_units import radar_unit
from components.tasks.seam import InputSpec
from serving.errors import TooLarge, WrongInput, as_wrong_input
from serving.series.names import are_opera
from serving.uploads import require_place

LEAST_BYTES = 4  # of a decoded value: values are float32


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

    @property
    def dates(self) -> tuple[tuple[SeriesFile, ...], ...]:
        """The files of each date, by time."""
        return tuple(tuple(date) for date in passes([each.said for each in self.files]))


def read_headers(files: Sequence[Dated], wanted: InputSpec, declared: Unit | None, decoders: DecoderPool) -> Headers:
    """The headers of a series that fits the input of a run.

    Raises:
        BadScene: if a file is none that may be opened.
        TooLarge: if they are more than the decoders may decode.
        UnitMismatch, BandMismatch, GridMismatch, WrongInput: says what was expected and what was found; nothing that
            says the unit is such a case.
        ServiceUnavailable: if no decoder process can be had.
    """
    infos = tuple(decoders.describe(each.content, name=each.name) for each in files)
    _require_room(infos, decoders.limits)
    unit = _unit(files, infos, declared)
    bands = ordered(name for each, info in zip(files, infos, strict=True) for name in bands_of(each, info))
    if not set(wanted.bands) <= set(bands):
        raise BandMismatch(wanted.name, wanted.bands, bands)
    grid = _grid(files, infos)
    _require_extent(grid, decoders.limits)
    require_place(wanted.name, grid, wanted)
    return Headers(tuple(files), infos, grid, unit, wanted.bands)


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
    with as_wrong_input():
        units = {each.name: radar_unit(declared, info.unit, each.name) for each, info in zip(files, infos, strict=True)}
    first_name, first = next(iter(units.items()))
    for name, unit in units.items():
        if unit != first:
            raise WrongInput(
                f"series: expected one unit, found {first} in {first_name} and {unit} in {name}; convert one of them"
            )
    return first


def bands_of(file: Dated, info: SceneInfo) -> tuple[str, ...]:
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


def _require_extent(grid: Grid, limits: OpenLimits) -> None:
    """Nothing where the ground that all parts span is no larger than one raster may be: parts may lie far apart."""
    rows, cols = grid.shape
    if rows * cols > limits.pixels or max(rows, cols) > limits.edge_px:
        which = "pixels" if rows * cols > limits.pixels else "edge_px"
        remedy = limits.remedy(which, "send the parts of one place")
        raise TooLarge(
            f"series: its parts span {rows} x {cols} pixels, at most {limits.pixels / 1e6:g} megapixels and "
            f"{limits.edge_px} pixels an edge are taken; {remedy}"
        )
