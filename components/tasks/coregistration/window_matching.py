"""The best match of windows on a regular grid, by normalised cross-correlation of their features through the FFT."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from components.tasks.coregistration.filters import Image, box
from components.tasks.coregistration.lattice import Lattice
from components.tasks.coregistration.structure import Structure
from components.tasks.coregistration.template_settings import TemplateSettings

LEAST_KNOWN = 0.5  # of the pixels of a window
FAR_PX = 3  # a rival peak is at least this far from the best one


class Matches(NamedTuple):
    """Flow ``(2, row, col)`` at the nodes of a lattice, and the weight 0..1 of each: 0 where nothing was found."""

    flow: NDArray[np.float32]
    weight: NDArray[np.float32]


def match(reference: Structure, moving: Structure, lattice: Lattice, settings: TemplateSettings) -> Matches:
    """The best match of the window around each node by normalised cross-correlation, to a fraction of a pixel."""
    scorer = Scorer.of(reference, moving, settings)
    rows, cols = lattice.rows, lattice.cols
    flow = np.zeros((2, len(rows), len(cols)), np.float32)
    weight = np.zeros((len(rows), len(cols)), np.float32)
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            surface = scorer.surface(int(row), int(col))
            if surface is not None:
                flow[:, i, j], weight[i, j] = _peak(surface, settings.reach)
    return Matches(flow, weight)


class Scorer(NamedTuple):
    """Padded features of both images, and the energy of every window of the moving one."""

    reference: Image
    moving: Image
    inside: Image
    share: Image
    energy: Image
    settings: TemplateSettings

    @classmethod
    def of(cls, reference: Structure, moving: Structure, settings: TemplateSettings) -> Scorer:
        """Made once for two images: what every window needs."""
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
