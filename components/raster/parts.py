"""The order in which a file is read: parts of bounded size that decode no block twice where that can be had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.raster.grid import Window

OPEN_BYTES = 32 * 1024**2  # of one part, while a scene is opened
LAUNDER_BYTES = 128 * 1024**2  # of one part, while a file is rewritten: a row of 512 px tiles of a Sentinel-2 scene


@dataclass(frozen=True)
class Part:
    """A window of the bands ``first`` to ``last`` (from 0, ``last`` excluded)."""

    first: int
    last: int
    window: Window

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns."""
        return self.last - self.first, self.window.rows, self.window.cols


@dataclass(frozen=True)
class Layout:
    """How the pixels of a file lie: ``(rows, cols)`` of file and block, bands, bytes of a number as it is sent.

    ``together`` is True where a block holds all bands.
    """

    shape: tuple[int, int]
    block: tuple[int, int]
    bands: int
    item: int
    together: bool


def parts(layout: Layout, budget: int, align: int = 1) -> Iterator[Part]:
    """Parts of about ``budget`` bytes that cover the file, each band once, on multiples of ``align`` pixels.

    A part is larger than the budget only where one square of ``align`` pixels of all bands is.
    """
    count = layout.bands if layout.together else 1
    for first in range(0, layout.bands, count):
        for window in _windows(layout, count * layout.item, budget, align):
            yield Part(first, first + count, window)


def _windows(layout: Layout, pixel: int, budget: int, align: int) -> Iterator[Window]:
    rows, cols = layout.shape
    block_rows = min(_up(layout.block[0], align), _up(rows, align))
    block_cols = min(_up(layout.block[1], align), _up(cols, align))
    # Several blocks at once where they are small: first side by side, then over one another.
    wide = block_cols * max(1, min(-(-cols // block_cols), budget // (block_rows * block_cols * pixel)))
    high = block_rows * (max(1, budget // (block_rows * wide * pixel)) if wide >= cols else 1)
    # Pieces of a block where it is large, all of one block before the next.
    piece_cols = min(wide, max(align, budget // (align * pixel) // align * align))
    piece_rows = min(high, max(align, budget // (piece_cols * pixel) // align * align))
    for outer in _grid(Window(0, 0, rows, cols), high, wide):
        yield from _grid(outer, piece_rows, piece_cols)


def _grid(outer: Window, high: int, wide: int) -> Iterator[Window]:
    bottom, right = outer.row + outer.rows, outer.col + outer.cols
    for row in range(outer.row, bottom, high):
        for col in range(outer.col, right, wide):
            yield Window(row, col, min(high, bottom - row), min(wide, right - col))


def _up(number: int, align: int) -> int:
    return -(-number // align) * align
