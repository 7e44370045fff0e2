"""The grid of a raster: an immutable value with an algebra, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import array_bounds

from components.errors import GridMismatch

TRANSFORM_TOLERANCE_PX = 1e-3  # beyond a thousandth of a pixel two grids are different grids


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: first row and column, number of rows and columns."""

    row: int
    col: int
    rows: int
    cols: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an array ``(..., row, col)``."""
        return slice(self.row, self.row + self.rows), slice(self.col, self.col + self.cols)

    def padded(self, margin: int, shape: tuple[int, int]) -> Window:
        """The window grown by ``margin`` pixels on each side, cut at ``shape`` (rows, cols)."""
        top, left = max(self.row - margin, 0), max(self.col - margin, 0)
        bottom = min(self.row + self.rows + margin, shape[0])
        right = min(self.col + self.cols + margin, shape[1])
        return Window(top, left, bottom - top, right - left)

    def within_shape(self, shape: tuple[int, int]) -> Window:
        """The part of the window inside ``shape`` (rows, cols)."""
        return Window(self.row, self.col, min(self.rows, shape[0] - self.row), min(self.cols, shape[1] - self.col))

    def within(self, outer: Window) -> Window:
        """The same ground counted from the first pixel of ``outer``."""
        return Window(self.row - outer.row, self.col - outer.col, self.rows, self.cols)


@dataclass(frozen=True)
class Grid:
    """CRS, affine transform (pixel corner to map) and shape ``(rows, cols)``.

    ``crs`` is None for a pixel grid: a picture without a place on the ground.
    """

    crs: CRS | None
    transform: Affine
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if self.shape[0] < 1 or self.shape[1] < 1:
            raise ValueError(f"a grid needs at least one row and one column, got {self.shape}")

    def __str__(self) -> str:
        name = self.crs.to_string() if self.crs else "no CRS"
        t = self.transform
        return f"{name} {self.shape[0]}x{self.shape[1]} px of {abs(t.a):.6g}x{abs(t.e):.6g} at ({t.c:.6f}, {t.f:.6f})"

    @property
    def window(self) -> Window:
        """The whole grid as a window."""
        return Window(0, 0, *self.shape)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in the CRS of the grid (pixels for a pixel grid)."""
        west, south, east, north = array_bounds(self.shape[0], self.shape[1], self.transform)
        return min(west, east), min(south, north), max(west, east), max(south, north)

    @property
    def pixel_size_m(self) -> tuple[float, float]:
        """Height and width of the centre pixel in metres; geodesic for a geographic CRS.

        Raises:
            ValueError: for a pixel grid, which has no size on the ground.
        """
        if self.crs is None:
            raise ValueError("a pixel grid without CRS has no size in metres")
        row, col = self.shape[0] / 2, self.shape[1] / 2
        centre, below, beside = (self.transform @ p for p in ((col, row), (col, row + 1), (col + 1, row)))
        if self.crs.is_geographic:
            geod = Geod(ellps="WGS84")
            return geod.inv(*centre, *below)[2], geod.inv(*centre, *beside)[2]
        metres = self.crs.linear_units_factor[1]
        return (
            hypot(below[0] - centre[0], below[1] - centre[1]) * metres,
            hypot(beside[0] - centre[0], beside[1] - centre[1]) * metres,
        )

    def crop(self, window: Window) -> Grid:
        """The grid of a window of this one.

        Raises:
            ValueError: if the window leaves the grid.
        """
        inside = window.row >= 0 and window.col >= 0
        if not inside or window.row + window.rows > self.shape[0] or window.col + window.cols > self.shape[1]:
            raise ValueError(f"{window} leaves the grid of {self.shape}")
        t, row, col = self.transform, window.row, window.col
        # Written out: the matrix product of affine takes as long as reading a small window.
        moved = Affine(t.a, t.b, t.a * col + t.b * row + t.c, t.d, t.e, t.d * col + t.e * row + t.f)
        return Grid(self.crs, moved, (window.rows, window.cols))

    def tiles(self, size: int, overlap: int = 0) -> Iterator[Window]:
        """Windows of at most ``size`` pixels that together cover the grid, see `windows`."""
        return windows(self.shape, size, overlap)

    def same_as(self, other: Grid) -> bool:
        """True where CRS, shape and corners agree to a thousandth of a pixel."""
        if self.crs != other.crs or self.shape != other.shape:
            return False
        corners = ((0, 0), (self.shape[1], self.shape[0]))
        inverse = ~self.transform
        return all(
            max(abs(a - b) for a, b in zip(inverse @ (other.transform @ corner), corner, strict=True))
            < TRANSFORM_TOLERANCE_PX
            for corner in corners
        )

    def require_same(self, other: Grid, remedy: str = "align one onto the other explicitly") -> None:
        """Nothing where the grids agree.

        Raises:
            GridMismatch: names both grids.
        """
        if not self.same_as(other):
            raise GridMismatch(self, other, remedy)


def windows(shape: tuple[int, int], size: int, overlap: int = 0) -> Iterator[Window]:
    """Windows of at most ``size`` pixels that together cover ``shape`` (rows, cols).

    Neighbours share at least ``overlap`` pixels; the last window of a row or column is moved
    inwards rather than cut, so every window has the full size where the shape allows it.

    Raises:
        ValueError: if ``overlap`` is not in [0, size).
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} px must be in [0, {size})")
    for row in _starts(shape[0], size, size - overlap):
        for col in _starts(shape[1], size, size - overlap):
            yield Window(row, col, min(size, shape[0]), min(size, shape[1]))


def _starts(length: int, size: int, step: int) -> list[int]:
    if length <= size:
        return [0]
    return [*range(0, length - size, step), length - size]
