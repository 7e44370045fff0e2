"""What a method is shown of a scene that is too large to be shown whole, before its first tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

import numpy as np

from components.inference.engine import Source, has_valid
from components.inference.method import Inputs
from components.raster.grid import Window
from components.raster.scene import Features, Scene, Stack, Value

WHOLE_PX = 4096 * 4096  # up to this a survey sees every pixel
BLOCK_PX = 256


def survey_view(source: Source, most_px: int | None = None) -> Inputs:
    """The inputs whole, or blocks of 256 px spread evenly over the scene and laid side by side.

    Neighbours inside a block are those of the scene, so both the distribution of values and their texture are kept.
    At most ``most_px`` pixels (``WHOLE_PX`` for None, and never more), though one block at least; the same scene
    gives the same blocks. Blocks without data are left out.
    """
    rows, cols = source.grid.shape
    most_px = min(most_px or WHOLE_PX, WHOLE_PX)
    if rows * cols <= most_px:
        return source.read(source.grid.window)
    return _mosaic([inputs for window in _lattice((rows, cols), most_px) if (inputs := _seen(source, window))], source)


def _lattice(shape: tuple[int, int], most_px: int) -> list[Window]:
    """Blocks on a lattice with the proportions of the raster."""
    height, width = (min(BLOCK_PX, length) for length in shape)
    most = max(1, most_px // (height * width))
    down = min(shape[0] // height, max(1, isqrt(most * shape[0] // shape[1])))
    across = min(shape[1] // width, max(1, most // down))
    starts = (
        np.linspace(0, length - size, count).astype(int).tolist()
        for length, size, count in ((shape[0], height, down), (shape[1], width, across))
    )
    rows, cols = starts
    return [Window(row, col, height, width) for row in rows for col in cols]


def _seen(source: Source, window: Window) -> Inputs | None:
    if source.surely_empty(window):
        return None
    inputs = source.read(window)
    return inputs if has_valid(inputs) else None


def _mosaic(blocks: list[Inputs], source: Source) -> Inputs:
    """The blocks as one raster each, as square as their number allows; the rest of it is nodata."""
    if not blocks:  # nothing was seen anywhere: any window says so
        return source.read(Window(0, 0, BLOCK_PX, BLOCK_PX).within_shape(source.grid.shape))
    across = isqrt(len(blocks) - 1) + 1
    full = len(blocks) // across * across or len(blocks)  # whole rows of blocks only: nothing is invented
    blocks = blocks[:full]
    rows = [blocks[first : first + across] for first in range(0, len(blocks), across)]
    return {name: _joined(name, value, rows) for name, value in blocks[0].items()}


def _joined(name: str, first: Value, rows: list[list[Inputs]]) -> Value:
    if isinstance(first, Features):
        return first
    array = np.concatenate([np.concatenate([_array(each, name) for each in row], axis=-1) for row in rows], axis=-2)
    return replace(first, array=array, grid=replace(first.grid, shape=array.shape[-2:]))


def _array(inputs: Mapping[str, Value], name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    value = inputs[name]
    assert isinstance(value, Scene | Stack), "an input stays of its kind from window to window"
    return value.array
