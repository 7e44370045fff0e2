"""Dense template matching on structural features: windows on a regular grid, matched by FFT, smoothed to a flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import generic_filter, uniform_filter

from components.tasks.coregistration.filters import Flow, Image, box
from components.tasks.coregistration.lattice import Lattice, smooth_field
from components.tasks.coregistration.structure import Structure, brought_along, coarsened, structure_of

LEAST_KNOWN = 0.5  # of the pixels of a window
NEAR_CELLS = 2  # how far matching looks again
FAR_PX = 3  # a rival peak is at least this far from the best one


@dataclass(frozen=True)
class TemplateSettings:
    """Half the edge of a window, reach of the search, distance of windows, and what disagrees with its neighbours; px.

    Features are averaged over ``cell`` x ``cell`` px before they are matched, which is faster and hides noise; radius,
    reach and step are multiples of it. After the first look the moving scene's features are brought along the flow that
    was found and matched again, ``looks`` times in all: what is left lies near zero, where peaks are not drawn
    towards whole cells. Where the match of a window does not agree with its neighbours, those of the ``wider`` radii
    are asked in turn: they see less detail, and something where little can be seen.

    Raises:
        ValueError: if a length is not positive or not a multiple of the cell, or if the radii do not grow.
    """

    radius: int = 32
    reach: int = 12
    step: int = 16
    outlier: float = 1.5
    cell: int = 1
    looks: int = 1
    wider: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        lengths = (*self.radii, self.reach, self.step)
        if min(*lengths, self.cell, self.looks) < 1 or self.outlier <= 0:
            raise ValueError(f"lengths must be positive, got {self}")
        if any(length % self.cell for length in lengths):
            raise ValueError(f"radius, reach and step must be multiples of cell, got {self}")
        if any(wide <= narrow for narrow, wide in pairwise(self.radii)):
            raise ValueError(f"wider radii must grow from the radius on, got {self}")

    @property
    def radii(self) -> tuple[int, ...]:
        """Of the windows, the first to be asked first."""
        return self.radius, *self.wider

    @property
    def in_cells(self) -> TemplateSettings:
        """The same lengths counted in cells."""
        radius, reach, step = (length // self.cell for length in (self.radius, self.reach, self.step))
        wider = tuple(each // self.cell for each in self.wider)
        return TemplateSettings(radius, reach, step, self.outlier / self.cell, looks=self.looks, wider=wider)


class Matches(NamedTuple):
    """Flow ``(2, row, col)`` at the nodes of a lattice, and the weight 0..1 of each: 0 where nothing was found."""

    flow: NDArray[np.float32]
    weight: NDArray[np.float32]


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
    for _ in range(1, settings.looks):
        flow, _ = smooth_field(found.flow, found.weight, lattice, reference.known.shape)
        found = _looked_again(reference, moving, lattice, flow, cells)
    return smooth_field(settings.cell * found.flow, found.weight, lattice.finer(settings.cell), shape)


def _matched_by_any(reference: Structure, moving: Structure, lattice: Lattice, cells: TemplateSettings) -> Matches:
    """The matches that agree with their neighbours, each of the smallest window that has one."""
    flow, weight = agreeing(match(reference, moving, lattice, cells), cells)
    for radius in cells.wider:
        wide = replace(cells, radius=radius, wider=())
        more = agreeing(match(reference, moving, lattice, wide), wide)
        weight, flow = np.where(weight > 0, weight, more.weight), np.where(weight > 0, flow, more.flow)
    return Matches(flow, weight)


def _looked_again(
    reference: Structure, moving: Structure, lattice: Lattice, flow: Flow, cells: TemplateSettings
) -> Matches:
    """The flow at the nodes and what matching adds to it; where it adds nothing that agrees, the weight is 0."""
    near = replace(cells, reach=min(NEAR_CELLS, cells.reach), wider=())
    more = agreeing(match(reference, brought_along(moving, flow), lattice, near), near)
    return Matches(flow[:, lattice.rows[:, None], lattice.cols] + more.flow, more.weight)


def reach_px(settings: TemplateSettings) -> int:
    """How far away a pixel may be that counts.

    A node sees its window and its search, and is smoothed with its five nearest neighbours to each side.
    """
    return max(settings.radii) + settings.reach + 5 * settings.step


def match(reference: Structure, moving: Structure, lattice: Lattice, settings: TemplateSettings) -> Matches:
    """The best match of the window around each node by normalised cross-correlation, to a fraction of a pixel."""
    scorer = _Scorer.of(reference, moving, settings)
    rows, cols = lattice.rows, lattice.cols
    flow = np.zeros((2, len(rows), len(cols)), np.float32)
    weight = np.zeros((len(rows), len(cols)), np.float32)
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            surface = scorer.surface(int(row), int(col))
            if surface is not None:
                flow[:, i, j], weight[i, j] = _peak(surface, settings.reach)
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


class _Scorer(NamedTuple):
    """Padded features of both images, and the energy of every window of the moving one."""

    reference: Image
    moving: Image
    inside: Image
    share: Image
    energy: Image
    settings: TemplateSettings

    @classmethod
    def of(cls, reference: Structure, moving: Structure, settings: TemplateSettings) -> _Scorer:
        margin = settings.radius + settings.reach
        (first, first_known), (second, second_known) = reference, moving
        share = box((first_known & second_known).astype(np.float32), settings.radius)
        side = 2 * settings.radius + 1
        second = second - (second.sum((1, 2), keepdims=True) / max(second_known.sum(), 1)) * second_known
        wide = np.pad(second, ((0, 0), (margin, margin), (margin, margin)))
        means = np.stack([uniform_filter(each, side, mode="constant") for each in wide])
        squares = uniform_filter((wide**2).sum(0), side, mode="constant")
        energy = np.maximum(squares - (means**2).sum(0), 0) * side**2
        narrow = np.pad(first, ((0, 0), *((settings.radius, settings.radius),) * 2))
        inside = np.pad(first_known.astype(np.float32), settings.radius)
        return cls(narrow, wide, inside, share, energy, settings)

    def surface(self, row: int, col: int) -> NDArray[np.float32] | None:
        """Correlation -1..1 of every displacement ``(2 reach + 1, 2 reach + 1)``; None where too little is known."""
        if self.share[row, col] < LEAST_KNOWN:
            return None
        radius, reach = self.settings.radius, self.settings.reach
        side, wide = 2 * radius + 1, 2 * (radius + reach) + 1
        template = self.reference[:, row : row + side, col : col + side]
        inside = self.inside[row : row + side, col : col + side]
        centred = (template - template.sum((1, 2), keepdims=True) / inside.sum()) * inside
        own = float((centred**2).sum())
        if own <= np.finfo(np.float32).eps * side**2:
            return None
        size = scipy.fft.next_fast_len(wide, real=True)
        around = scipy.fft.rfft2(self.moving[:, row : row + wide, col : col + wide], (size, size))
        product = (around * np.conj(scipy.fft.rfft2(centred, (size, size)))).sum(0)
        scores = scipy.fft.irfft2(product, (size, size))[: 2 * reach + 1, : 2 * reach + 1]
        energy = self.energy[row + radius : row + radius + 2 * reach + 1, col + radius : col + radius + 2 * reach + 1]
        least = 1e-3 * own  # a window without structure resembles nothing
        return np.asarray(scores / np.sqrt(own * np.maximum(energy, least)), dtype=np.float32)


def _peak(surface: NDArray[np.float32], reach: int) -> tuple[tuple[float, float], float]:
    """``(u, v)`` of the highest score by a parabola along either axis, and 1 - rival / peak; weight 0 at the rim."""
    row, col = divmod(int(np.argmax(surface)), surface.shape[1])
    top = float(surface[row, col])
    if top <= 0 or not (0 < row < 2 * reach and 0 < col < 2 * reach):
        return (0.0, 0.0), 0.0
    v = row - reach + _vertex(*surface[row - 1 : row + 2, col].tolist())
    u = col - reach + _vertex(*surface[row, col - 1 : col + 2].tolist())
    rivals = surface.copy()
    rivals[max(row - FAR_PX, 0) : row + FAR_PX + 1, max(col - FAR_PX, 0) : col + FAR_PX + 1] = 0
    return (u, v), float(np.clip(1 - rivals.max() / top, 0, 1))


def _vertex(before: float, at: float, after: float) -> float:
    """Where the parabola through three scores is highest, -0.5..0.5 from the middle one."""
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
