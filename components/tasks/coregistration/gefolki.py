"""GeFolki: dense flow by iterated Lucas-Kanade on rank images, with a local choice between an image and its negative.

Brigot, Colin-Koeniguer, Plyer, Janez 2016, doi:10.1109/JSTARS.2016.2537271. Our departures: windows use known pixels
of both images only (no zero padding), the flow is interpolated between levels, local contrast is by mean and
deviation, flat ground keeps the flow that it has, a step is at most the radius of the ranks, and windows that do not
fit into the coarsest image make the pyramid lower, or become smaller where it has one level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.tasks.coregistration.filters import (
    MOST_RANK_RADIUS,
    Flow,
    Image,
    Mask,
    Ranks,
    box,
    equalised,
    expanded,
    ranks,
    reduced,
    sampled,
)

OUTLIERS = (0.1, 99.9)  # percentiles: what lies beyond must not decide the range
RIDGE = np.float32(1e-4)  # rank gradients have some hundred times its energy; on flat ground it decides
LOCAL_PX = 16  # radius of the window of local contrast
LEAST_PX = 8  # an image narrower than this shows nothing


@dataclass(frozen=True)
class FolkiSettings:
    """Levels of the pyramid, window radii in px (large to small), iterations with each, radius of the ranks in px.

    ``contrast``: whether each place may match the negative of the moving image (GeFolki); without it, EFolki.

    Raises:
        ValueError: if a number is out of range.
    """

    levels: int = 4
    radii: tuple[int, ...] = (32, 28, 24, 20, 16, 12, 8)
    iterations: int = 2
    rank_radius: int = 4
    contrast: bool = True

    def __post_init__(self) -> None:
        if min(self.levels, self.iterations, *self.radii, len(self.radii)) < 1:
            raise ValueError(f"levels, iterations and radii must be at least 1, got {self}")
        if not 1 <= self.rank_radius <= MOST_RANK_RADIUS:
            raise ValueError(f"rank_radius must be in 1..{MOST_RANK_RADIUS}, got {self.rank_radius}")

    def fitting(self, shape: tuple[int, int]) -> FolkiSettings:
        """The settings with fewer levels, then smaller radii: each is below half of the coarsest image."""
        levels = self.levels
        while levels > 1 and 2 * max(self.radii) >= _coarsest(shape, levels):
            levels -= 1
        most = max((_coarsest(shape, levels) - 1) // 2, 1)
        radii = tuple(dict.fromkeys(min(radius, most) for radius in self.radii))
        return FolkiSettings(levels, radii, self.iterations, self.rank_radius, self.contrast)


EFOLKI = FolkiSettings(levels=4, radii=(32, 24, 16, 8), contrast=False)


class _Side(NamedTuple):
    """One image at one level; ``known`` where a rank means something."""

    ranks: Ranks
    local: Image
    known: Mask


def estimate(reference: Image, moving: Image, settings: FolkiSettings | None = None, start: Flow | None = None) -> Flow:
    """The flow ``(2, row, col)`` in px from two images ``(row, col)`` of any grey scale, NaN where nothing was seen.

    It is finite everywhere: where nothing can be matched it is what the coarser levels say, in the end ``start``
    (zero for None). ``start`` is a first guess, for example the flow of a network.

    Raises:
        ValueError: if the shapes differ.
    """
    if reference.shape != moving.shape or (start is not None and start.shape != (2, *reference.shape)):
        raise ValueError(f"expected images of one shape, got {reference.shape}, {moving.shape} and start")
    guess = np.zeros((2, *reference.shape), np.float32) if start is None else np.nan_to_num(start).astype(np.float32)
    if min(reference.shape) < LEAST_PX:
        return guess
    fitting = (settings or FolkiSettings()).fitting(reference.shape)
    levels = [_pyramid(image, fitting) for image in (reference, moving)]
    starts = [guess]
    for side in levels[0][1:]:
        rows, cols = side.known.shape
        starts.append(starts[-1][:, ::2, ::2][:, :rows, :cols] / 2)
    flow = starts[-1]
    for level in range(fitting.levels - 1, -1, -1):
        if level < fitting.levels - 1:
            flow = expanded(flow, levels[0][level].known.shape)
        flow = _solved(levels[0][level], levels[1][level], flow, fitting)
    return flow


def _coarsest(shape: tuple[int, int], levels: int) -> int:
    return -(-min(shape) // (1 << (levels - 1)))


def _pyramid(image: Image, settings: FolkiSettings) -> list[_Side]:
    """The levels, finest first."""
    known = np.isfinite(image)
    grey, sides = _stretched(image, known), []
    for level in range(settings.levels):
        if level:
            grey, known = reduced(grey, known)
        local = equalised(grey, known, LOCAL_PX) if settings.contrast else grey
        ranked = ranks(grey, known, settings.rank_radius)
        textured = ranked.brighter + ranked.darker > 0  # a blank pixel has a rank too, and it means nothing
        sides.append(_Side(ranked, local, known & textured))
    return sides


def _stretched(image: Image, known: Mask) -> Image:
    """Grey values to 0..1 without outliers, 0 where unknown."""
    if not known.any():
        return np.zeros(image.shape, np.float32)
    low, high = np.percentile(image[known], OUTLIERS)
    stretched = (np.where(known, image, low) - low) / max(float(high - low), np.finfo(np.float32).tiny)
    return np.asarray(np.clip(stretched, 0, 1), dtype=np.float32)


def _solved(reference: _Side, moving: _Side, flow: Flow, settings: FolkiSettings) -> Flow:
    """Gauss-Newton at one level; the gradient is that of the reference and is taken once."""
    down, across = np.gradient(reference.ranks.brighter)
    inside = reference.known if reference.known.all() else _shrunk(reference.known)
    places = np.indices(inside.shape, dtype=np.float32)
    for radius in settings.radii:
        for _ in range(settings.iterations):
            seen, moved = fetched(reference, moving, places + flow[::-1], settings)
            seen &= inside
            ix, iy = across * seen, down * seen
            rest = reference.ranks.brighter - moved + flow[0] * ix + flow[1] * iy
            a, b, c = box(ix * ix, radius) + RIDGE, box(iy * iy, radius) + RIDGE, box(ix * iy, radius)
            g, h = box(ix * rest, radius) + RIDGE * flow[0], box(iy * rest, radius) + RIDGE * flow[1]
            solution = np.stack([b * g - c * h, a * h - c * g]) / (a * b - c * c)
            flow = flow + np.clip(solution - flow, -settings.rank_radius, settings.rank_radius)
    return flow


def _shrunk(known: Mask) -> Mask:
    """Without the pixels whose gradient reaches into a hole."""
    inner = known.copy()
    inner[1:] &= known[:-1]
    inner[:-1] &= known[1:]
    inner[:, 1:] &= known[:, :-1]
    inner[:, :-1] &= known[:, 1:]
    return inner


def fetched(reference: _Side, moving: _Side, places: Image, settings: FolkiSettings) -> tuple[Mask, Image]:
    """Where the moving image is seen at ``places`` (2, row, col), and its ranks there, or those of its negative."""
    rows, cols = moving.known.shape
    seen = (places >= 0).all(0) & (places[0] <= rows - 1) & (places[1] <= cols - 1)
    if not moving.known.all():
        seen &= sampled(moving.known.astype(np.float32), places) > 0.999
    moved = sampled(moving.ranks.brighter, places)
    if not settings.contrast:
        return seen, moved
    local = sampled(moving.local, places)
    # |h0 - h1| summed against |1 - h0 - h1|: which of the image and its negative is nearer
    nearer = (np.abs(reference.local - local) - np.abs(1 - reference.local - local)) * (seen & reference.known)
    inverted = box(nearer, settings.rank_radius) > 0
    return seen, np.where(inverted, sampled(moving.ranks.darker, places), moved)
