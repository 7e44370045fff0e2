"""Windows over images with holes: box sums, ranks, local contrast, the Burt pyramid. Images are (row, col), 0..1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates, uniform_filter

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
# (2, row, col): u along columns, v along rows, in pixels of the reference; NaN: unknown
Flow = NDArray[np.float32]

BURT = (0.05, 0.25, 0.40, 0.25, 0.05)  # Burt and Adelson 1983 with a = 0.4
LEAST_WEIGHT = 0.5  # a pixel of the next level needs half of its kernel
LEAST_DEVIATION = 1e-3  # flat ground is not stretched to noise
MOST_RANK_RADIUS = 7  # 224 neighbours still fit into a byte


class Ranks(NamedTuple):
    """Share (0..1) of the known neighbours of each pixel that are brighter, and that are darker, than it."""

    brighter: Image
    darker: Image


def box(values: Image, radius: int) -> Image:
    """Mean over a square of ``2 radius + 1`` px with zeros outside the image; ratios of two such means are unbiased."""
    return np.asarray(uniform_filter(values, 2 * radius + 1, mode="constant"), dtype=np.float32)


def ranks(image: Image, known: Mask, radius: int) -> Ranks:
    """The rank transform over a square window; pixels that are not known take no part, nor does what lies outside.

    Any increasing mapping of the grey values leaves it as it is; inverting them swaps the two images.
    """
    grey = image if known.all() else np.where(known, image, np.nan)
    up, down = np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.uint8)
    rows, cols = image.shape
    offsets = [(dy, dx) for dy in range(radius + 1) for dx in range(-radius, radius + 1) if (dy, dx) > (0, 0)]
    for dy, dx in offsets:  # each pair of pixels is compared once and counted for both
        here = np.s_[: max(rows - dy, 0), max(-dx, 0) : max(cols - max(dx, 0), 0)]
        there = np.s_[dy:, max(dx, 0) : max(cols + min(dx, 0), 0)]
        brighter, darker = grey[there] > grey[here], grey[there] < grey[here]
        up[here] += brighter
        down[here] += darker
        up[there] += darker
        down[there] += brighter
    side = 2 * radius + 1
    neighbours = np.rint(box(known.astype(np.float32), radius) * side**2) - known
    share = np.float32(1) / np.maximum(neighbours, 1)
    return Ranks(up * share, down * share)


def equalised(image: Image, known: Mask, radius: int) -> Image:
    """Grey values by local mean and deviation: 0.5 is the mean, 0 and 1 lie two deviations away; 0.5 where unknown."""
    weight = np.maximum(box(known.astype(np.float32), radius), np.float32(1e-6))
    filled = np.where(known, image, 0)
    mean = box(filled, radius) / weight
    deviation = np.sqrt(np.maximum(box(filled * filled, radius) / weight - mean**2, LEAST_DEVIATION**2))
    return np.where(known, np.clip(0.5 + (image - mean) / (4 * deviation), 0, 1), 0.5).astype(np.float32)


def reduced(image: Image, known: Mask) -> tuple[Image, Mask]:
    """The next level of the Burt pyramid: smoothed over known pixels, every second one kept, the first one first.

    So pixel ``i`` of a level is pixel ``2 i`` of the one below: no half pixels between levels.
    """
    total, weight = _smooth(np.where(known, image, 0)), _smooth(known.astype(np.float32))
    kept = weight >= LEAST_WEIGHT
    return np.where(kept, total / np.maximum(weight, LEAST_WEIGHT), 0).astype(np.float32), kept


def expanded(flow: Image, shape: tuple[int, int]) -> Image:
    """A flow ``(2, row, col)`` of one level on the level below: twice as long, bilinear between its pixels."""
    places = np.indices(shape, dtype=np.float32) / np.float32(2)
    return np.stack([2 * sampled(part, places) for part in flow])


def sampled(image: Image, places: Image) -> Image:
    """Bilinear values at ``places`` (2, row, col), rows first; beyond the edge those of the edge."""
    return np.asarray(map_coordinates(image, places, order=1, mode="nearest", output=np.float32))


def _smooth(image: Image) -> Image:
    across = correlate1d(image, BURT, axis=1, mode="mirror")[:, ::2]
    return np.asarray(correlate1d(across, BURT, axis=0, mode="mirror")[::2], dtype=np.float32)
