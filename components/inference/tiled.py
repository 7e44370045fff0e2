"""Prediction over scenes of any size: survey once, then tiles with context whose results are cropped.

A tiled prediction equals the whole one (up to rounding) where the method's halo holds its receptive field:
every tile and its context start on a multiple of the alignment, so that pooling windows of a tile fall on
those of the whole scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Protocol, runtime_checkable

from components.inference.canvas import Canvas
from components.inference.method import Method, Outputs
from components.raster.grid import Grid, Window
from components.raster.scene import Features, Scene, Stack, Value, require_one_grid

Progress = Callable[[int, int], None]  # tiles done, tiles in all
Inputs = Mapping[str, Value]
ReadWindow = Callable[[Window], Inputs]
ALIGNMENT_PX = 16  # four poolings by 2, as every network here has at most


@runtime_checkable
class Aligned(Protocol):
    """A method whose tiles must start on multiples of another number than 16."""

    alignment_px: int


def predict(method: Method, inputs: Inputs, *, tile_px: int = 512, progress: Progress | None = None) -> Outputs:
    """Outputs of a method on the grid of the inputs; nodata where no input holds a valid pixel.

    A method without halo (None) and a scene of at most ``tile_px`` a side are predicted whole. ``tile_px`` is
    rounded up to a multiple of the method's alignment.

    Raises:
        GridMismatch: if rasters that must be tiled do not share one grid.
        ValueError: if ``tile_px`` is not positive.
    """
    surveyed = method.survey(inputs)
    rasters = {name: value for name, value in inputs.items() if not isinstance(value, Features)}
    sides = [side for raster in rasters.values() for side in raster.grid.shape]
    if surveyed.halo_px is None or max(sides, default=0) <= tile_px:
        outputs = surveyed.predict(inputs)
        _report(progress, 1, 1)
        return outputs
    grid = require_one_grid(rasters)
    return predict_tiles(surveyed, grid, lambda window: crop(inputs, window), tile_px=tile_px, progress=progress)


def predict_tiles(
    method: Method, grid: Grid, read: ReadWindow, *, tile_px: int = 512, progress: Progress | None = None
) -> Outputs:
    """Outputs of a surveyed method over ``grid``, reading the inputs window by window.

    Tiles without any valid pixel are not predicted: they are nodata.

    Raises:
        ValueError: if ``tile_px`` is not positive or the method has no halo.
    """
    if method.halo_px is None:
        raise ValueError("a method that needs the whole scene cannot be tiled")
    alignment = method.alignment_px if isinstance(method, Aligned) else ALIGNMENT_PX
    tiles = list(tiling(grid.shape, tile_px, method.halo_px, alignment))
    canvas, empty = Canvas(grid), []
    for number, (core, padded) in enumerate(tiles, start=1):
        scenes = read(padded)
        if has_valid(crop(scenes, core.within(padded))):
            canvas.paste(method.predict(scenes), core, padded)
        else:
            empty.append((core, padded))
        _report(progress, number, len(tiles))
    for core, padded in empty:  # outputs without nodata, or no valid pixel at all: ask the method itself
        if canvas.can_stay_empty:
            break
        canvas.paste(method.predict(read(padded)), core, padded)
    return canvas.outputs


def tiling(
    shape: tuple[int, int], tile_px: int, halo_px: int, alignment_px: int = ALIGNMENT_PX
) -> Iterator[tuple[Window, Window]]:
    """Tiles that cover ``shape`` (rows, cols) exactly once, each with its window of context.

    Both start on multiples of ``alignment_px``; at the end of a row or column tiles are cut, not moved.

    Raises:
        ValueError: if a size is not positive.
    """
    if tile_px < 1 or alignment_px < 1 or halo_px < 0:
        raise ValueError(f"tile {tile_px} px, halo {halo_px} px, alignment {alignment_px} px: sizes must be positive")
    size, halo = (ceil(length / alignment_px) * alignment_px for length in (tile_px, halo_px))
    for row in range(0, shape[0], size):
        for col in range(0, shape[1], size):
            core = Window(row, col, min(size, shape[0] - row), min(size, shape[1] - col))
            yield core, core.padded(halo, shape)


def crop(inputs: Inputs, window: Window) -> dict[str, Value]:
    """A window of every raster input; features stay whole."""
    return {name: value if isinstance(value, Features) else value.crop(window) for name, value in inputs.items()}


def has_valid(inputs: Inputs) -> bool:
    """True where some raster holds a pixel that was seen (for a stack: at some date), or there is no raster."""
    rasters = [value for value in inputs.values() if not isinstance(value, Features)]
    return not rasters or any(_any_valid(raster) for raster in rasters)


def _any_valid(raster: Scene | Stack) -> bool:
    if isinstance(raster, Scene):
        return bool(raster.valid.any())
    return any(raster.scene(index).valid.any() for index in range(len(raster.dates)))


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)
