"""What two sensors share of one ground: where its edges lie and which way they run, not which side is brighter.

Channels of oriented gradients in the manner of CFOG (Ye et al. 2019, doi:10.1109/TGRS.2019.2924684).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, correlate1d, gaussian_filter

from components.tasks.coregistration.filters import Flow, Image, Mask, sampled

ORIENTATIONS = 9  # over half a turn
GRADIENT_PX, SMOOTH_PX = 1.0, 1.0  # scales of the derivative, and of the smoothing of its channels
NEIGHBOURS = (0.25, 0.5, 0.25)  # an edge between two orientations belongs to both
LEAST_SHARE = 0.5  # of a square that is known
FLOOR = 0.05  # of the mean strength: below it there is no structure to normalise


class Structure(NamedTuple):
    """Features ``(channel, row, col)`` of unit length or shorter, 0 where unknown, and where they are known."""

    channels: Image
    known: Mask


def structure_of(image: Image) -> Structure:
    """One channel for each orientation.

    They do not change where the image is inverted, nor by a gain or an offset.
    """
    known = np.isfinite(image)
    middle = float(np.median(image[known])) if known.any() else 0.0
    filled = np.where(known, image, middle).astype(np.float32)
    across, down = (gaussian_filter(filled, GRADIENT_PX, order=order) for order in ((0, 1), (1, 0)))
    clear = away_from_holes(known)
    angles = np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS
    strengths = [np.abs(across * np.cos(angle) + down * np.sin(angle)) * clear for angle in angles]
    channels = np.stack([gaussian_filter(each, SMOOTH_PX) for each in strengths])
    channels = correlate1d(channels, NEIGHBOURS, axis=0, mode="wrap")
    return Structure(_unit(channels, clear), clear)


def away_from_holes(known: Mask) -> Mask:
    """What is known and not beside a hole: edges of holes are no edges of ground."""
    return known if known.all() else ~binary_dilation(~known, iterations=3)


def coarsened(structure: Structure, cell: int) -> Structure:
    """Means over squares of ``cell`` px, known where most of a square is; the last row and column are repeated."""
    if cell == 1:
        return structure
    more = [(0, -side % cell) for side in structure.known.shape]
    channels = _means(np.pad(structure.channels, ((0, 0), *more), mode="edge"), cell)
    known = _means(np.pad(structure.known, more, mode="edge").astype(np.float32), cell) > LEAST_SHARE
    return Structure(np.asarray(channels * known, dtype=np.float32), known)


def brought_along(structure: Structure, flow: Flow) -> Structure:
    """The features at ``x + flow(x)``, bilinear; ``flow`` (2, row, col) counts their cells."""
    places = np.indices(structure.known.shape, dtype=np.float32) + flow[::-1]
    known = sampled(structure.known.astype(np.float32), places) > LEAST_SHARE
    inside = np.all([(at >= 0) & (at <= side - 1) for at, side in zip(places, known.shape, strict=True)], axis=0)
    channels = np.stack([sampled(channel, places) for channel in structure.channels])
    return Structure(np.asarray(channels * (known & inside), dtype=np.float32), known & inside)


def _means(values: Image, cell: int) -> Image:
    rows, cols = (side // cell for side in values.shape[-2:])
    return np.asarray(values.reshape(*values.shape[:-2], rows, cell, cols, cell).mean((-3, -1)), dtype=np.float32)


def _unit(channels: NDArray[np.float32], clear: Mask) -> Image:
    length = np.sqrt((channels**2).sum(0))
    mean = float(length[clear].mean()) if clear.any() else 0.0
    return np.asarray(channels * clear / (length + FLOOR * mean + np.finfo(np.float32).tiny), dtype=np.float32)
