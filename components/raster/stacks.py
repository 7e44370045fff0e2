"""Time series that stay on disk: dates, bands and grid are known, pixels come by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from components.errors import BandMismatch, GridMismatch, NotEnoughData, UnitMismatch
from components.raster.grid import Grid, Window
from components.raster.header import SceneInfo
from components.raster.io import describe, read_scene
from components.raster.lattice import overlap, place_on, union
from components.raster.scene import Array, Stack, Unit
from components.raster.stack_files import (
    OPERA_RTC_S1,
    SeriesFile,
    named_files,
    one_orbit,
    ordered,
    passes,
    require_single,
)
from components.raster.stack_units import radar_unit, require_plausible

__all__ = ["LEAST_DATES", "Part", "StackSource", "folder_stack", "opera_stack", "stack_of"]

LEAST_DATES = 2
SAMPLE_PX, SAMPLED_PARTS = 64, 4


@dataclass(frozen=True)
class Part:
    """One file of one date: ``file_bands`` are its bands that become ``bands``, on ``window`` of the series' grid."""

    path: Path
    bands: tuple[str, ...]
    file_bands: tuple[str, ...]
    window: Window

    def only(self, bands: Sequence[str]) -> Part:
        """The part with those of its bands that are wanted; maybe none."""
        pairs = [pair for pair in zip(self.bands, self.file_bands, strict=True) if pair[0] in bands]
        return replace(self, bands=tuple(own for own, _ in pairs), file_bands=tuple(stored for _, stored in pairs))


@dataclass(frozen=True)
class StackSource:
    """A series of which only the headers were read. ``layers`` holds the parts of each date.

    Where parts of one date overlap, the first one that holds data counts: averaging them would change the number of
    looks there, and with it every test that rests on them.
    """

    grid: Grid
    dates: tuple[datetime, ...]
    bands: tuple[str, ...]
    unit: Unit
    layers: tuple[tuple[Part, ...], ...]
    orbit: str | None = None

    def read(self, window: Window | None = None) -> Stack:
        """Pixels of a window (all for None) of every date: float32 ``(time, band, row, col)``, NaN without data.

        Only this window of the files is decoded. Linear numbers of 0 and below are no measurement (borders, noise
        subtracted) and become NaN. A date without a file for a band is NaN there.

        Raises:
            BadScene: if a file is damaged.
            ValueError: if the window leaves the grid.
        """
        window = window or self.grid.window
        grid = self.grid.crop(window)
        array = np.full((len(self.dates), len(self.bands), *grid.shape), np.nan, np.float32)
        for layer, parts in zip(array, self.layers, strict=True):
            for part in parts:
                self._fill(layer, part, window)
        if self.unit != "db":
            np.copyto(array, np.nan, where=array <= 0)
        return Stack(array, grid, self.bands, self.unit, self.dates, float("nan"), self.orbit)

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` pixels that cover every part and do not overlap; empty ones are left out."""
        rows, cols = self.grid.shape
        places = {part.window for parts in self.layers for part in parts}
        for row in range(0, rows, size):
            for col in range(0, cols, size):
                window = Window(row, col, size, size).within_shape((rows, cols))
                if any(overlap(window, place) for place in places):
                    yield window

    def only(self, bands: Sequence[str]) -> StackSource:
        """The series of these bands, in this order; files of other bands are not read.

        Raises:
            BandMismatch: if a band is missing.
        """
        if tuple(bands) == self.bands:
            return self
        if not set(bands) <= set(self.bands):
            raise BandMismatch("series", bands, self.bands)
        layers = tuple(tuple(kept for part in parts if (kept := part.only(bands)).bands) for parts in self.layers)
        return replace(self, bands=tuple(bands), layers=layers)

    def between(self, first: datetime, last: datetime) -> StackSource:
        """The dates from ``first`` to ``last``, both included.

        Raises:
            NotEnoughData: if there is none.
        """
        kept = [index for index, date in enumerate(self.dates) if first <= date <= last]
        if not kept:
            raise NotEnoughData(f"no date from {first:%Y-%m-%d} to {last:%Y-%m-%d}; choose another period")
        dates, layers = tuple(self.dates[i] for i in kept), tuple(self.layers[i] for i in kept)
        return replace(self, dates=dates, layers=layers)

    def _fill(self, layer: Array, part: Part, window: Window) -> None:
        common = overlap(part.window, window)
        if common is None:
            return
        read = read_scene(part.path, bands=part.file_bands, window=common.within(part.window)).array
        rows, cols = common.within(window).slices
        for band, values in zip(part.bands, read, strict=True):
            target = layer[self.bands.index(band), rows, cols]
            np.copyto(target, values, where=np.isnan(target))


def opera_stack(
    folder: Path, *, orbit: str | int | None = None, bands: Sequence[str] | None = None, least: int = LEAST_DATES
) -> StackSource:
    """A series of OPERA RTC-S1 bursts (linear gamma0 by specification), those of one date side by side.

    Raises:
        BadScene: for mixed orbits, a date that stands twice, or numbers that are no linear intensity.
        GridMismatch: if bursts do not lie on one raster.
        NotEnoughData: if there are fewer than ``least`` dates.
        UnknownName: if there is no such orbit.
        BandMismatch: if there is no such band.
    """
    return folder_stack(folder, OPERA_RTC_S1, unit="intensity", orbit=orbit, bands=bands, least=least)


def folder_stack(
    folder: Path,
    pattern: str,
    *,
    unit: Unit | None = None,
    orbit: str | int | None = None,
    bands: Sequence[str] | None = None,
    least: int = LEAST_DATES,
) -> StackSource:
    """A series of the files whose names match a pattern, see `stack_files.named_files`.

    ``unit`` declares what the files do not say. Without a group `part` all files have one grid; with it, parts of
    one raster are put side by side. Without a group `band` the bands are those that the files name.

    Raises:
        BadScene: for mixed orbits, a date that stands twice, an unknown unit, or numbers that contradict the unit.
        UnitMismatch: if a file names another unit than the declared one.
        GridMismatch: if the files lie on different grids; names both.
        NotEnoughData: if there are fewer than ``least`` dates; names them.
        UnknownName: if there is no such orbit.
        BandMismatch: if there is no such band, or files hold different bands.
    """
    files = one_orbit(named_files(folder, pattern), orbit, folder)
    return stack_of(files, folder, unit=unit, bands=bands, least=least)


def stack_of(
    files: Sequence[SeriesFile],
    where: object,
    *,
    unit: Unit | None = None,
    bands: Sequence[str] | None = None,
    least: int = LEAST_DATES,
) -> StackSource:
    """A series of files of which is known when and what they show; ``where`` names them in errors.

    Raises:
        SwathError: as `folder_stack`, but for orbits: these are files of one.
    """
    dated = passes(files)
    for own in dated:
        require_single(own, where)
    if len(dated) < least:
        names = ", ".join(f"{own[0].time:%Y-%m-%d}" for own in dated)
        raise NotEnoughData(f"{where}: expected at least {least} dates, found {len(dated)} ({names}); add dates")
    infos = {file.path: describe(file.path) for file in files}
    units = {radar_unit(unit, info.unit, path) for path, info in infos.items()}
    if len(units) > 1:
        raise UnitMismatch(where, "one for all dates", " and ".join(sorted(units)))
    grid = _grid(files, infos)
    found = ordered(name for file in files for name in _bands(file, infos[file.path]))
    chosen = tuple(bands) if bands is not None else found
    if not set(chosen) <= set(found):
        raise BandMismatch(where, chosen, found)
    layers = tuple(_parts(own, infos, grid, chosen) for own in dated)
    source = StackSource(grid, tuple(own[0].time for own in dated), chosen, units.pop(), layers, files[0].orbit)
    _check_numbers(source)
    return source


def _bands(file: SeriesFile, info: SceneInfo) -> tuple[str, ...]:
    if file.band is None:
        return info.bands
    if len(info.bands) != 1:
        raise BandMismatch(file.path, (file.band,), info.bands)
    return (file.band,)


def _parts(
    files: Sequence[SeriesFile], infos: dict[Path, SceneInfo], grid: Grid, chosen: Sequence[str]
) -> tuple[Part, ...]:
    parts = (_part(file, infos[file.path], grid, chosen) for file in files)
    return tuple(part for part in parts if part.bands)


def _part(file: SeriesFile, info: SceneInfo, grid: Grid, chosen: Sequence[str]) -> Part:
    pairs = [(own, stored) for own, stored in zip(_bands(file, info), info.bands, strict=True) if own in chosen]
    return Part(file.path, tuple(own for own, _ in pairs), tuple(s for _, s in pairs), place_on(grid, info.grid))


def _grid(files: Sequence[SeriesFile], infos: dict[Path, SceneInfo]) -> Grid:
    first = infos[files[0].path].grid
    for file in files[1:]:
        own = infos[file.path].grid
        if not file.part and not own.same_as(first):
            raise GridMismatch(f"{files[0].path.name} {first}", f"{file.path.name} {own}")
    # by folder and name: what comes from a catalogue is called alike on every date
    return union({"/".join(file.path.parts[-2:]): infos[file.path].grid for file in files})


def _check_numbers(source: StackSource) -> None:
    """A few pixels of every date, from the middle of its parts, so that one odd date is found too."""
    for parts in source.layers:
        step = max(1, len(parts) // SAMPLED_PARTS)
        sampled = [_middle(part) for part in parts[::step]]
        require_plausible(np.concatenate(sampled), source.unit, parts[0].path)


def _middle(part: Part) -> Array:
    rows, cols = part.window.rows, part.window.cols
    row, col = max(0, (rows - SAMPLE_PX) // 2), max(0, (cols - SAMPLE_PX) // 2)
    window = Window(row, col, SAMPLE_PX, SAMPLE_PX).within_shape((rows, cols))
    return read_scene(part.path, bands=part.file_bands, window=window).array.ravel()
