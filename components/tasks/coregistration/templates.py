"""Dense template matching on structural features: windows on a regular grid, matched by FFT, smoothed to a flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import generic_filter

from components.tasks.coregistration.filters import Flow, Image
from components.tasks.coregistration.lattice import Lattice, smooth_field
from components.tasks.coregistration.structure import Structure, coarsened, structure_of
from components.tasks.coregistration.template_settings import TemplateSettings
from components.tasks.coregistration.window_matching import Matches, match

WIDER_TRUST = 0.3  # of a match beside one of the next smaller window: much ground is displaced in more than one way


def estimate(reference: Image, moving: Image, settings: TemplateSettings | None = None) -> tuple[Flow, Image]:
    """Flow ``(2, row, col)`` in px and confidence ``(row, col)`` from two images, NaN where nothing was seen.

    Confidence is the share of the windows around a pixel whose best match stands out and agrees with that of its
    neighbours; on unrelated ground matches scatter over the whole search, so hardly any agrees. Zero flow and zero
    confidence where images are blank or smaller than a window.

    Raises:
        ValueError: if the shapes differ.
    """
    if reference.shape != moving.shape:
        raise ValueError(f"expected images of one shape, got {reference.shape} and {moving.shape}")
    chosen = settings or TemplateSettings()
    first, second = (coarsened(structure_of(image), chosen.cell) for image in (reference, moving))
    return matched(first, second, reference.shape, chosen)


def matched(
    reference: Structure, moving: Structure, shape: tuple[int, int], settings: TemplateSettings
) -> tuple[Flow, Image]:
    """As `estimate`, from features of both images in cells; ``shape`` is that of the images."""
    cells = settings.in_cells
    lattice = Lattice.over(reference.known.shape, cells.step)
    found = _matched_by_any(reference, moving, lattice, cells)
    return smooth_field(settings.cell * found.flow, found.weight, lattice.finer(settings.cell), shape)


def _matched_by_any(reference: Structure, moving: Structure, lattice: Lattice, cells: TemplateSettings) -> Matches:
    """The matches that agree with their neighbours, each of the smallest window that has one."""
    flow, weight = agreeing(match(reference, moving, lattice, cells), cells)
    for larger, radius in enumerate(cells.wider, 1):
        wide = replace(cells, radius=radius, wider=())
        more = agreeing(match(reference, moving, lattice, wide), wide)
        found = weight > 0
        weight = np.where(found, weight, np.float32(WIDER_TRUST**larger) * more.weight)
        flow = np.where(found, flow, more.flow)
    return Matches(flow, weight)


def agreeing(found: Matches, settings: TemplateSettings) -> Matches:
    """The matches within ``outlier`` px of the median of 24 neighbours; the weight of the others is 0.

    Neighbours are so far apart that their windows share at most half of their pixels: chance does not agree twice.
    """
    known = np.where(found.weight > 0, found.flow, np.nan)
    apart = max(round(settings.radius / settings.step), 1)
    around = np.zeros((4 * apart + 1,) * 2, dtype=bool)
    around[::apart, ::apart] = True
    around[2 * apart, 2 * apart] = False
    median = np.stack([generic_filter(part, _median, footprint=around, mode="constant", cval=np.nan) for part in known])
    near = np.hypot(*(known - median)) <= settings.outlier
    return Matches(found.flow, np.where(near, found.weight, 0).astype(np.float32))


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan
