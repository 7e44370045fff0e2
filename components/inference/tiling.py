"""The geometry of tiles: what each owns, how far it reaches, what it must see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from components.raster.grid import Window

ALIGNMENT_PX = 16  # four poolings by 2, as every network here has at most
STRIP = 4  # tiles side by side


@dataclass(frozen=True)
class Tile:
    """``core``: the pixels it owns; ``reach``: those it has a say in; ``padded``: those it must see."""

    core: Window
    reach: Window
    padded: Window


@dataclass(frozen=True)
class Layout:
    """How a raster is cut: edge of a tile, context around it, blending on either side of an edge, alignment.

    Raises:
        ValueError: if a size is not positive, or the blending wider than half a tile.
    """

    tile_px: int
    halo_px: int
    blend_px: int = 0
    alignment_px: int = ALIGNMENT_PX

    def __post_init__(self) -> None:
        if self.tile_px < 1 or self.alignment_px < 1 or min(self.halo_px, self.blend_px) < 0:
            sizes = f"tile {self.tile_px} px, halo {self.halo_px} px, alignment {self.alignment_px} px"
            raise ValueError(f"{sizes}: sizes must be positive")
        if 2 * self.blend_px > self.tile_px:
            raise ValueError(f"blending of {self.blend_px} px needs tiles of at least twice that, not {self.tile_px}")

    @property
    def size_px(self) -> int:
        """The edge of a tile: a multiple of the alignment."""
        return ceil(self.tile_px / self.alignment_px) * self.alignment_px

    @property
    def margin_px(self) -> int:
        """What a tile sees beyond its core: a multiple of the alignment."""
        return ceil((self.halo_px + self.blend_px) / self.alignment_px) * self.alignment_px

    def count(self, shape: tuple[int, int]) -> int:
        """Number of tiles that cover ``shape`` (rows, cols)."""
        return ceil(shape[0] / self.size_px) * ceil(shape[1] / self.size_px)

    def tiles(self, shape: tuple[int, int]) -> Iterator[Tile]:
        """Tiles whose cores cover ``shape`` (rows, cols) exactly once.

        They come in strips of four columns, row by row: what one tile shares with the tiles above and beside it is
        needed again soon, however wide the raster is. Core and context start on multiples of the alignment; at the
        end of a row or column tiles are cut, not moved.
        """
        size, margin = self.size_px, self.margin_px
        for strip in range(0, shape[1], STRIP * size):
            for row in range(0, shape[0], size):
                for col in range(strip, min(strip + STRIP * size, shape[1]), size):
                    core = Window(row, col, size, size).within_shape(shape)
                    yield Tile(core, core.padded(self.blend_px, shape), core.padded(margin, shape))


def weights(tile: Tile, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the tile says, for each row and each column of its reach, in shares that sum to 1 over all tiles."""
    spans = (
        (tile.core.row, tile.core.rows, tile.reach.row, tile.reach.rows, shape[0]),
        (tile.core.col, tile.core.cols, tile.reach.col, tile.reach.cols, shape[1]),
    )
    rows, cols = (_shares(*span) for span in spans)
    return rows, cols


def _shares(first: int, length: int, reach: int, reach_length: int, end: int) -> NDArray[np.float32]:
    """Half a cosine up over the edge before the core, half a cosine down over the one behind it."""
    share = np.ones(reach_length)
    centre = reach + np.arange(reach_length) + 0.5
    width = max(first - reach, reach + reach_length - first - length)  # the ramp on either side; scene ends have none
    if first > 0 and width:
        share *= _rise((centre - first) / width)
    if first + length < end and width:
        share *= _rise((first + length - centre) / width)
    return share.astype(np.float32)


def _rise(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 at -1 to 1 at 1, as smooth as a sine; what two tiles say at the same place sums to 1."""
    return np.asarray(0.5 + 0.5 * np.sin(0.5 * np.pi * np.clip(place, -1.0, 1.0)))
