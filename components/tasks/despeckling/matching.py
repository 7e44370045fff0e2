"""Groups of alike blocks and their way back: what BM3D and SAR-BM3D share.

Everything is computed for all reference blocks of a strip at once: one pass over the image for each displacement of
the search window, where sums over blocks are three shifted additions along each axis. These do not depend on where a
window starts, so tiles find the same blocks as the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BLOCK_PX = 8
STEP_PX = 4  # divides the alignment of tiles (16), so that reference blocks lie alike in every tile
STRIP_NUMBERS = 8_000_000  # distances held at once
CHUNK = 512  # reference blocks whose groups are transformed at once
KAISER_BETA = 2.0

Planes = tuple[NDArray[np.float32], ...]  # arrays (row, col) that a distance looks at
Distance = Callable[[Planes, Planes], NDArray[np.float32]]  # of pixels; summed over a block it is that of blocks
Groups = NDArray[np.float32]  # (reference, member, row in block, col in block)


class Positions(NamedTuple):
    """Upper left pixels of the members of groups, each (reference, member); the reference itself stands first."""

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]


@dataclass(frozen=True)
class Search:
    """How far and how many: blocks are sought within ``radius_px`` along each axis, ``members`` make a group.

    Only displacements by multiples of ``stride_px`` are looked at. ``members`` is a power of two.
    """

    radius_px: int = 19
    members: int = 16
    stride_px: int = 1

    @property
    def reach_px(self) -> int:
        """How far away a pixel may be that counts in a filtered one.

        A pixel lies in a member, its reference is a search away, as are the other members from there; a block each.
        """
        return 2 * (self.radius_px + BLOCK_PX - 1)


def padded(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image, mirrored below and to the right so that reference blocks cover it."""
    sizes = [max(BLOCK_PX, -(-size // STEP_PX) * STEP_PX) - size for size in image.shape]
    return np.pad(image, [(0, size) for size in sizes], mode="symmetric") if any(sizes) else image


def groups(planes: Planes, distance: Distance, search: Search) -> Iterator[Positions]:
    """Positions of the groups of all reference blocks, in chunks."""
    rows, cols = planes[0].shape
    across = np.arange(0, cols - BLOCK_PX + 1, STEP_PX)
    displacements = (2 * search.radius_px + 1) ** 2
    tall = max(1, STRIP_NUMBERS // (displacements * len(across)))
    downs = np.arange(0, rows - BLOCK_PX + 1, STEP_PX)
    for start in range(0, len(downs), tall):
        found = _strip(planes, distance, downs[start : start + tall], across, search)
        for first in range(0, len(found.rows), CHUNK):
            yield Positions(found.rows[first : first + CHUNK], found.cols[first : first + CHUNK])


def _strip(
    planes: Planes, distance: Distance, downs: NDArray[np.intp], across: NDArray[np.intp], search: Search
) -> Positions:
    radius = min(search.radius_px, max(planes[0].shape) - BLOCK_PX)
    span = np.arange(-(radius // search.stride_px), radius // search.stride_px + 1) * search.stride_px
    dy, dx = (each.ravel() for each in np.meshgrid(span, span, indexing="ij"))
    apart = np.full((len(dy), len(downs) * len(across)), np.inf, np.float32)
    wide = tuple(np.pad(plane, radius, mode="edge") for plane in planes)
    top, bottom, width = int(downs[0]), int(downs[-1]) + BLOCK_PX, planes[0].shape[1]
    own = tuple(plane[top:bottom] for plane in planes)
    last = planes[0].shape[0] - BLOCK_PX, width - BLOCK_PX
    for number, (down, right) in enumerate(zip(dy, dx, strict=True)):
        inside = _inside(downs + down, last[0])[:, None] & _inside(across + right, last[1])
        if inside.any():
            rows = slice(top + radius + down, bottom + radius + down)
            shifted = tuple(plane[rows, radius + right : radius + right + width] for plane in wide)
            sums = _block_sums(distance(own, shifted))
            apart[number] = np.where(inside, sums, np.inf).ravel()
    apart[len(dy) // 2] = -np.inf  # a block is its own nearest
    members = min(search.members, 1 << (len(dy).bit_length() - 1))
    nearest = _nearest(apart, members)
    reference = np.meshgrid(downs, across, indexing="ij")
    reach = np.isfinite(np.take_along_axis(apart.T, nearest, 1)) | (nearest == len(dy) // 2)
    nearest = np.where(reach, nearest, len(dy) // 2)  # too few blocks in a tiny image: the reference again
    return Positions(reference[0].reshape(-1, 1) + dy[nearest], reference[1].reshape(-1, 1) + dx[nearest])


def _nearest(apart: NDArray[np.float32], members: int) -> NDArray[np.intp]:
    """Displacements (reference, member) of the smallest distances, nearest first."""
    table = np.ascontiguousarray(apart.T)
    some = np.argpartition(table, min(members, table.shape[1]) - 1, axis=1)[:, :members]
    order = np.argsort(np.take_along_axis(table, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)


def _inside(first: NDArray[np.intp], last: int) -> NDArray[np.bool_]:
    return (first >= 0) & (first <= last)


def _block_sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over the blocks that start on every step, of (row, col) that start with a reference block."""
    for length in (1, 2, 4):
        values = values[:-length] + values[length:]
    values = values[::STEP_PX]
    for length in (1, 2, 4):
        values = values[:, :-length] + values[:, length:]
    return values[:, ::STEP_PX]


def gathered(image: NDArray[np.float32], at: Positions) -> Groups:
    """The blocks of an image at these positions."""
    return sliding_window_view(image, (BLOCK_PX, BLOCK_PX))[at.rows, at.cols]


class Aggregate:
    """A weighted mean of overlapping block estimates."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._sum, self._weight = np.zeros(shape[0] * shape[1]), np.zeros(shape[0] * shape[1])
        taper = np.kaiser(BLOCK_PX, KAISER_BETA)
        self._taper = np.outer(taper, taper)

    def add(self, estimates: Groups, weights: NDArray[np.floating], at: Positions) -> None:
        """Blocks (reference, member, row, col) with one weight a group (reference,)."""
        inner = np.arange(BLOCK_PX)
        pixel = inner[:, None] * self._shape[1] + inner
        flat = ((at.rows * self._shape[1] + at.cols)[..., None, None] + pixel).ravel()
        shares = np.broadcast_to(weights[:, None, None, None] * self._taper, estimates.shape).ravel()
        size = len(self._sum)
        self._sum += np.bincount(flat, shares * estimates.ravel(), size)
        self._weight += np.bincount(flat, shares, size)

    def image(self) -> NDArray[np.float32]:
        """The mean (row, col)."""
        return (self._sum / self._weight).reshape(self._shape).astype(np.float32)
