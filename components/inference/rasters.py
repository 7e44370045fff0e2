"""Rasters and time series on disk as a source of tiles: read by window of one grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np

from components.errors import BandMismatch
from components.inference.engine import Plan
from components.inference.method import Inputs
from components.inference.tiling import STRIP
from components.raster.align import Resampling, read_aligned, window_around
from components.raster.grid import Grid, Window
from components.raster.io import describe, holds_data, read_scene
from components.raster.lattice import overlap
from components.raster.scene import Scene, Stack
from components.raster.stacks import StackSource

Bands = Mapping[str, Sequence[str]]
Readable = Path | StackSource
LEAST_CACHE, MOST_CACHE = 16 * 2**20, 256 * 2**20  # bytes of decoded blocks
MOST_VALUES = 2**25  # of all dates and bands of a series in one tile, or in the survey: 128 MiB


@dataclass(frozen=True)
class Rasters:
    """Files and series, read by window of ``grid``; a thread has handles of its own.

    ``bands`` names the bands to read by input, all of them for one that is not named. Files that ``resampling``
    names are brought onto the grid; everything else lies on it.
    """

    inputs: Mapping[str, Readable]
    bands: Bands
    grid: Grid
    resampling: Mapping[str, Resampling]

    def read(self, window: Window) -> Inputs:
        """The inputs of a window."""
        return {
            name: self._scene(name, each, window) if isinstance(each, Path) else self._stack(name, each, window)
            for name, each in self.inputs.items()
        }

    @property
    def survey_px(self) -> int | None:
        """Pixels of a series that a survey may see at once, the fewer the more dates; None where there is no series."""
        layers = self._layers()
        return MOST_VALUES // layers if layers else None

    def tile_px(self, wanted: int) -> int:
        """The edge of a tile: as wanted, or less where a series has so many dates that a tile would fill the memory."""
        layers = self._layers()
        return min(wanted, max(64, isqrt(MOST_VALUES // layers) // 16 * 16)) if layers else wanted

    def cache_bytes(self, plan: Plan) -> int:
        """What must stay decoded so that no block is decoded twice in a strip: as much as some tiles, no more."""
        infos = {name: describe(path) for name, path in self._files()}
        pixel = sum(len(self.bands.get(n, i.bands)) * np.dtype(i.dtype).itemsize for n, i in infos.items())
        pixel += self._layers() * np.dtype(np.float32).itemsize
        blocks = [max(info.block_shape) for info in (*infos.values(), *(describe(path) for path in self._examples()))]
        margin = 2 * (plan.layout.margin_px + max(blocks))
        height, width = (min(plan.layout.size_px * n + margin, max(self.grid.shape)) for n in (1, STRIP))
        return min(max(LEAST_CACHE, plan.readers * pixel * height * width), MOST_CACHE)

    def surely_empty(self, window: Window) -> bool:
        """True where no file on the grid holds data in the window, and no series has a file there."""
        return not any(
            holds_data(each, window)
            if isinstance(each, Path)
            else any(overlap(part.window, window) for parts in each.layers for part in parts)
            for each in self.inputs.values()
            if isinstance(each, StackSource) or self._lies_on_grid(each)
        )

    def _scene(self, name: str, path: Path, window: Window) -> Scene:
        bands = self.bands.get(name)
        if self._lies_on_grid(path):
            return read_scene(path, bands=bands, window=window)
        part = self.grid.crop(window)
        if window_around(describe(path).grid, part) is None:
            return _nothing(read_scene(path, bands=bands, window=Window(0, 0, 1, 1)), part)
        (scene,) = read_aligned([path], part, self.resampling[name], bands=bands)
        return scene

    def _stack(self, name: str, series: StackSource, window: Window) -> Stack:
        return series.only(self.bands.get(name, series.bands)).read(window)

    def _lies_on_grid(self, path: Path) -> bool:
        return describe(path).grid.same_as(self.grid)

    def _files(self) -> list[tuple[str, Path]]:
        return [(name, each) for name, each in self.inputs.items() if isinstance(each, Path)]

    def _series(self) -> list[StackSource]:
        return [each for each in self.inputs.values() if isinstance(each, StackSource)]

    def _examples(self) -> Iterable[Path]:
        return (series.layers[0][0].path for series in self._series())

    def _layers(self) -> int:
        """Dates times bands of all series."""
        return sum(len(each.dates) * len(each.bands) for each in self._series())


def grid_of(inputs: Mapping[str, Readable]) -> Grid:
    """The grid of all inputs; refused before the first pixel is read where they differ.

    Raises:
        GridMismatch: if they do.
    """
    grids = [describe(each).grid if isinstance(each, Path) else each.grid for each in inputs.values()]
    for grid in grids[1:]:
        grids[0].require_same(grid)
    return grids[0]


def require_bands(inputs: Mapping[str, Readable], bands: Bands) -> None:
    """Nothing where every series holds the bands that are read of it; a file says so when it is read.

    Raises:
        BandMismatch: names the series and the bands that it has.
    """
    for name, each in inputs.items():
        if isinstance(each, StackSource) and not set(bands.get(name, ())) <= set(each.bands):
            raise BandMismatch(name, bands[name], each.bands)


def _nothing(kind: Scene, grid: Grid) -> Scene:
    """A scene without a pixel, for ground that a file does not cover."""
    nodata = np.nan if kind.nodata is None else kind.nodata
    dtype = np.result_type(kind.array, np.float32) if np.isnan(nodata) else kind.array.dtype
    return kind.with_array(np.full((len(kind.bands), *grid.shape), nodata, dtype), grid=grid, nodata=nodata)
