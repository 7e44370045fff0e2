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
    At most ``WHOLE_PX`` pixels; the same scene gives the same blocks. Blocks without data are left out. With
    ``most_px`` it is at most so many (though one block at least), and they are spread over the ground that may hold
    data: a series of many dates affords few blocks, and those must not fall on the empty corners of a mosaic.
    """
    rows, cols = source.grid.shape
    if rows * cols <= min(most_px or WHOLE_PX, WHOLE_PX):
        return source.read(source.grid.window)
    if most_px is not None:
        return _mosaic([inputs for window in _spread(source, most_px) if (inputs := _seen(source, window))], source)
    return _mosaic([inputs for window in _lattice((rows, cols)) if (inputs := _seen(source, window))], source)


def _lattice(shape: tuple[int, int]) -> list[Window]:
    """Blocks on a lattice with the proportions of the raster."""
    height, width = (min(BLOCK_PX, length) for length in shape)
    most = WHOLE_PX // (height * width)
    down = min(shape[0] // height, max(1, isqrt(most * shape[0] // shape[1])))
    across = min(shape[1] // width, max(1, most // down))
    starts = (
        np.linspace(0, length - size, count).astype(int).tolist()
        for length, size, count in ((shape[0], height, down), (shape[1], width, across))
    )
    rows, cols = starts
    return [Window(row, col, height, width) for row in rows for col in cols]


def _spread(source: Source, most_px: int) -> list[Window]:
    """Whole blocks that may hold data, evenly taken from all of them."""
    rows, cols = source.grid.shape
    height, width = min(BLOCK_PX, rows), min(BLOCK_PX, cols)
    tops, lefts = ([*range(0, length - size, size), length - size] for length, size in ((rows, height), (cols, width)))
    blocks = [Window(row, col, height, width) for row in tops for col in lefts]
    held = [block for block in blocks if not source.surely_empty(block)]
    count = min(len(held), max(1, most_px // (height * width)))
    return [held[index] for index in np.linspace(0, len(held) - 1, count).astype(int)] if held else []


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
