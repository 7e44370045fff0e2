"""Grids that are pieces of one raster: same CRS, same pixels, corners a whole number of pixels apart."""

from __future__ import annotations

from collections.abc import Mapping

from affine import Affine

from components.errors import GridMismatch
from components.raster.grid import TRANSFORM_TOLERANCE_PX, Grid, Window

_REMEDY = "resample them onto one raster explicitly"


def union(grids: Mapping[str, Grid]) -> Grid:
    """The smallest grid of one raster that holds all pieces.

    Raises:
        GridMismatch: if a piece belongs to another raster; names it and the first one.
    """
    first_name, first = next(iter(grids.items()))
    offsets = {name: _offset(f"{first_name} {first}", first, f"{name} {grid}", grid) for name, grid in grids.items()}
    top, left = (min(offset[axis] for offset in offsets.values()) for axis in (0, 1))
    bottom, right = (max(offsets[name][axis] + grid.shape[axis] for name, grid in grids.items()) for axis in (0, 1))
    t = first.transform
    moved = Affine(t.a, t.b, t.a * left + t.b * top + t.c, t.d, t.e, t.d * left + t.e * top + t.f)
    return Grid(first.crs, moved, (bottom - top, right - left))


def place_on(grid: Grid, piece: Grid) -> Window:
    """The window of ``grid`` that the piece is.

    Raises:
        GridMismatch: if the piece belongs to another raster.
    """
    row, col = _offset(str(grid), grid, str(piece), piece)
    return Window(row, col, *piece.shape)


def overlap(one: Window, other: Window) -> Window | None:
    """The pixels that both windows hold; None for none."""
    top, left = max(one.row, other.row), max(one.col, other.col)
    bottom = min(one.row + one.rows, other.row + other.rows)
    right = min(one.col + one.cols, other.col + other.cols)
    return Window(top, left, bottom - top, right - left) if bottom > top and right > left else None


def _offset(first_name: str, first: Grid, name: str, grid: Grid) -> tuple[int, int]:
    """Row and column of the upper left pixel of ``grid``, counted from that of ``first``."""
    inverse = ~first.transform
    rows, cols = grid.shape
    col, row = inverse @ (grid.transform @ (0, 0))
    far_col, far_row = inverse @ (grid.transform @ (cols, rows))
    left, top = round(col), round(row)
    errors = (col - left, row - top, far_col - left - cols, far_row - top - rows)
    if first.crs != grid.crs or max(abs(error) for error in errors) > TRANSFORM_TOLERANCE_PX:
        raise GridMismatch(first_name, name, _REMEDY)
    return top, left
