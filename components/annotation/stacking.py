"""How far a date of a radar series lies from the others: what stands still is seen on all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from components.raster.scene import Scene

Image = NDArray[np.float32]

REACH_PX = 8  # farthest shift that is looked for
FINE_PX, COARSE_PX = 1.0, 6.0  # what lies between is neither speckle nor the light and shade of the whole
# Real bursts of land: 0.68 to 0.97 at rest, 0.58 and more with a date moved. Sea, which has no structure: below 0.08.
SURE = 0.3


def farthest_px(scenes: Sequence[Scene]) -> float | None:
    """Length of the largest shift of a date against the mean of the others, in px; None where no date is sure.

    ``scenes`` are linear backscatter on one grid, at least two. A date is sure where its structure (logarithm, mean of
    the bands, band pass) correlates by at least 0.3 with that of the others at their best shift, at most 8 px away.
    """
    structures = [_structure(scene) for scene in scenes]
    total = np.sum(structures, axis=0, dtype=np.float32)
    found = [_shift(total - each, each) for each in structures]
    return max((length for length, alike in found if alike >= SURE), default=None)


def _structure(scene: Scene) -> Image:
    seen = scene.valid & (scene.array > 0).all(0)
    logarithm = np.log(np.where(seen, scene.array, 1)).mean(0)
    level = np.median(logarithm[seen]) if seen.any() else 0.0
    flat = np.where(seen, logarithm - level, 0).astype(np.float32)
    return np.asarray((gaussian_filter(flat, FINE_PX) - gaussian_filter(flat, COARSE_PX)) * seen, dtype=np.float32)


def _shift(others: Image, date: Image) -> tuple[float, float]:
    """Length of the best shift in px, and the correlation there."""
    length = float(np.linalg.norm(others) * np.linalg.norm(date))
    if length == 0:
        return 0.0, 0.0
    shape = [scipy.fft.next_fast_len(size + 2 * REACH_PX, real=True) for size in date.shape]
    spectrum = np.conj(scipy.fft.rfft2(others, shape)) * scipy.fft.rfft2(date, shape)
    within = np.arange(-REACH_PX, REACH_PX + 1)
    near = scipy.fft.irfft2(spectrum, shape)[np.ix_(within, within)] / length
    row, col = divmod(int(near.argmax()), len(within))
    down, right = (_vertex(line, at) - REACH_PX for line, at in ((near[:, col], row), (near[row], col)))
    return float(np.hypot(down, right)), float(near[row, col])


def _vertex(line: NDArray[np.floating], at: int) -> float:
    """Where the parabola through the highest value and its neighbours is highest; at the rim, the rim."""
    if not 0 < at < len(line) - 1:
        return float(at)
    before, top, after = (float(each) for each in line[at - 1 : at + 2])
    bend = before - 2 * top + after
    return at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
