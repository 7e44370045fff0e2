"""Where the results of tiles come together in memory: rasters by their place, features across the seams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from components.inference.joining import Joiner
from components.inference.method import Outputs
from components.inference.tiling import Tile, weights
from components.raster.grid import Grid, Window
from components.raster.scene import Array, Features, Scene


class Canvas:
    """Outputs in the making: whole rasters that tiles are pasted into, and features."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._scenes: dict[str, Scene] = {}
        self._features: dict[str, Joiner] = {}

    @property
    def can_stay_empty(self) -> bool:
        """True where every raster output is known and has a nodata value for what is never pasted."""
        started = bool(self._scenes or self._features)
        return started and all(scene.nodata is not None for scene in self._scenes.values())

    @property
    def outputs(self) -> Outputs:
        """What was pasted so far; nodata (0 where there is none) elsewhere."""
        return {**self._scenes, **{name: joiner.joined() for name, joiner in self._features.items()}}

    def paste(self, outputs: Outputs, tile: Tile) -> None:
        """Adds outputs that lie on the grid of ``tile.padded``.

        Raises:
            GridMismatch: if an output lies elsewhere.
            ValueError: if an output changes its type, bands or unit from tile to tile.
        """
        for name, output in outputs.items():
            if isinstance(output, Features):
                self._features.setdefault(name, Joiner(self.grid)).add(output, tile)
                continue
            require_place(name, output, self.grid, tile)
            if name not in self._scenes:
                self._scenes[name] = _blank(output, self.grid)
            require_same_kind(name, self._scenes[name], output)
            whole = self._scenes[name].array
            for window, pixels, added in parts(output, tile, self.grid.shape):
                rows, cols = window.slices
                if added:
                    whole[:, rows, cols] += pixels
                else:
                    whole[:, rows, cols] = pixels


def parts(output: Scene, tile: Tile, shape: tuple[int, int]) -> list[tuple[Window, Array, bool]]:
    """What a tile says of a raster: windows, their pixels, and whether these are added to what stands there.

    Without blending that is its core. With it, shares of all its reach: those over its upper and left edge are added
    to the shares that the tiles above and to the left have left there. A pixel without a value has none in the end.
    """
    inside = tile.reach.within(tile.padded)
    if tile.reach == tile.core or not is_blended(output):
        return [(tile.core, output.crop(tile.core.within(tile.padded)).array, False)]
    rows, cols = weights(tile, shape)
    shares = output.crop(inside).array * (rows[:, None] * cols).astype(output.array.dtype)
    top, left = (2 * (a - b) for a, b in ((tile.core.row, tile.reach.row), (tile.core.col, tile.reach.col)))
    top, left = min(top, tile.reach.rows), min(left, tile.reach.cols)
    row, col = tile.reach.row, tile.reach.col
    height, width = tile.reach.rows, tile.reach.cols
    found = (
        (Window(row, col, top, width), shares[:, :top], True),
        (Window(row + top, col, height - top, left), shares[:, top:, :left], True),
        (Window(row + top, col + left, height - top, width - left), shares[:, top:, left:], False),
    )
    return [each for each in found if each[0].rows and each[0].cols]


def is_blended(output: Scene) -> bool:
    """True for numbers that can be averaged and say by NaN that there is none."""
    return output.unit != "class" and output.nodata is not None and bool(np.isnan(output.nodata))


def require_place(name: str, output: Scene, grid: Grid, tile: Tile) -> None:
    """Nothing where an output lies on the grid of the tile.

    Raises:
        GridMismatch: names both grids.
    """
    output.grid.require_same(grid.crop(tile.padded), f"output {name} must lie on the grid of the inputs")


def require_same_kind(name: str, first: Scene, output: Scene) -> None:
    """Nothing where an output is of the type, bands and unit that it had before: pasting would truncate or mislabel.

    Raises:
        ValueError: names both.
    """
    kinds: list[tuple[Any, ...]] = [(scene.array.dtype, scene.bands, scene.unit) for scene in (first, output)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"output {name} changes between tiles: {kinds[0]}, then {kinds[1]}")


def _blank(like: Scene, grid: Grid) -> Scene:
    """A scene of that kind over the whole grid, filled with its nodata (0 where it has none)."""
    fill = 0 if like.nodata is None else like.nodata
    array = np.full((len(like.bands), *grid.shape), fill, dtype=like.array.dtype)
    return replace(like, array=array, grid=grid)
