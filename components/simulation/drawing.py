"""Vector shapes in pixel coordinates (x = column, y = row, whole numbers at pixel corners) to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import gaussian_filter1d, map_coordinates
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from components.simulation.noise import Float, fractal

Points = NDArray[np.float64]  # (point, 2) of x and y
WARP_STEP_PX = 8
WARP_SCALE_PX = 70.0


def burn(shapes: Sequence[BaseGeometry], values: Sequence[int], shape: tuple[int, int]) -> NDArray[np.int32]:
    """``(row, col)`` with the value of the last shape that holds the pixel's centre, 0 elsewhere."""
    kept = [(one, int(value)) for one, value in zip(shapes, values, strict=True) if not one.is_empty]
    if not kept:
        return np.zeros(shape, dtype=np.int32)
    return np.asarray(rasterize(kept, out_shape=shape, dtype="int32"), dtype=np.int32)


def covered(shapes: Sequence[BaseGeometry], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """True ``(row, col)`` where a shape holds the pixel's centre."""
    return np.asarray(burn(shapes, [1] * len(shapes), shape) > 0)


def band(points: Points, width_px: float) -> BaseGeometry:
    """A line of the given width; never thinner than what keeps its pixels connected."""
    return shapely.LineString(points).buffer(max(width_px, 1.1) / 2, quad_segs=1, cap_style="flat")


def smooth_line(points: Points, sigma: float) -> Points:
    """The line with its corners rounded off; its ends stay where they are."""
    rounded = gaussian_filter1d(points, sigma, axis=0, mode="nearest")
    return np.vstack([points[:1], rounded[1:-1], points[-1:]])


@dataclass(frozen=True)
class Rectangles:
    """Turned rectangles: ``centres`` (n, 2), ``sizes`` (n, 2) of length and width, ``angles`` (n,) in radians."""

    centres: Points
    sizes: Points
    angles: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.angles)

    def grown(self, margin_px: float) -> Rectangles:
        """The rectangles with a margin all around."""
        return replace(self, sizes=self.sizes + 2 * margin_px)

    def only(self, kept: NDArray[np.bool_]) -> Rectangles:
        """Those for which ``kept`` is true."""
        return Rectangles(self.centres[kept], self.sizes[kept], self.angles[kept])


def joined(parts: Sequence[Rectangles]) -> Rectangles:
    """The rectangles of all parts in one value."""
    none = Rectangles(np.empty((0, 2)), np.empty((0, 2)), np.empty(0))
    every = [none, *parts]
    return Rectangles(
        np.concatenate([part.centres for part in every]),
        np.concatenate([part.sizes for part in every]),
        np.concatenate([part.angles for part in every]),
    )


def stamp(boxes: Rectangles, values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """``(row, col)`` with the value of a rectangle that holds the pixel's centre, 0 elsewhere.

    Thousands of houses are stamped at once, many times faster than as polygons.
    """
    out = np.zeros(shape, dtype=np.uint8)
    reach = np.ceil(np.hypot(*boxes.sizes.T) / 2 + 1).astype(int) if len(boxes) else np.empty(0, dtype=int)
    reach = 2 ** np.ceil(np.log2(np.maximum(reach, 1))).astype(int)  # few sizes of stamp
    for size in np.unique(reach):
        chosen = reach == size
        row, col, inside = _footprints(boxes.only(chosen), int(size))
        inside &= (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
        value = np.broadcast_to(values[chosen][:, None, None], inside.shape)
        out[row[inside], col[inside]] = value[inside]
    return out


def _footprints(boxes: Rectangles, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Rows, columns and insideness ``(box, 2 reach + 1, 2 reach + 1)`` of the pixels around each box."""
    steps = np.arange(-reach, reach + 1)
    corner = np.floor(boxes.centres).astype(np.int64)
    shape = (len(boxes), len(steps), len(steps))
    row = np.broadcast_to(corner[:, 1, None, None] + steps[:, None], shape)
    col = np.broadcast_to(corner[:, 0, None, None] + steps, shape)
    x, y = col + 0.5 - boxes.centres[:, 0, None, None], row + 0.5 - boxes.centres[:, 1, None, None]
    cosine, sine = np.cos(boxes.angles)[:, None, None], np.sin(boxes.angles)[:, None, None]
    along, across = np.abs(x * cosine + y * sine), np.abs(y * cosine - x * sine)
    half = boxes.sizes[:, :, None, None] / 2
    return row, col, (along <= half[:, 0]) & (across <= half[:, 1])


class Warp:
    """A smooth bending of the plane, so that straight networks look grown rather than drawn."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int], amount_px: float) -> None:
        coarse = tuple(size // WARP_STEP_PX + 8 for size in shape)
        scale = WARP_SCALE_PX / WARP_STEP_PX
        fields = [fractal(rng, (coarse[0], coarse[1]), scale_px=scale, slope=3.0) for _ in range(2)]
        self._fields: list[Float] = [field * np.float32(amount_px) for field in fields]

    def __call__(self, points: Points) -> Points:
        """The points ``(point, 2)`` where they come to lie."""
        places = np.stack([points[:, 1], points[:, 0]]) / WARP_STEP_PX + 4
        moved = [map_coordinates(field, places, order=1, mode="nearest") for field in self._fields]
        return np.asarray(points + np.stack(moved, axis=1))

    def line(self, start: Points, end: Points) -> Points:
        """A bent road from ``start`` to ``end`` (each ``(2,)``)."""
        count = max(int(np.hypot(*(end - start)) / 6), 2)
        return self(start + np.linspace(0, 1, count)[:, None] * (end - start))

    def polygon(self, corners: Points) -> Polygon:
        """A polygon with its edges bent; edges that polygons share stay shared."""
        return Polygon(shapely.transform(shapely.segmentize(Polygon(corners), 8.0), self))
