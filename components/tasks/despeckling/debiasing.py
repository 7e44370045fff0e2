"""The constant gain that makes a filter unbiased on homogeneous ground, measured once on simulated speckle.

Blocks that look alike are alike in their speckle too, so what BM3D and its kin average is no fair sample of it: their
mean is off by a few per cent at one look. The bias depends on the number of looks only, not on the brightness.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache

import numpy as np

from components.simulation.speckle import Speckle, speckled
from components.tasks.despeckling.windows import Image

SIDE_PX = 320
SEED = 20120201

Filtering = Callable[..., Image]  # of an intensity image, the looks, and settings


def calibrated(filtering: Filtering, intensity: Image, looks: float, *settings: Hashable) -> Image:
    """The filtered intensity times the gain of the filter."""
    gain = homogeneous_gain(filtering, float(f"{looks:.2g}"), *settings)  # estimated looks: not a simulation a scene
    return filtering(intensity, looks, *settings) * np.float32(gain)


@cache
def homogeneous_gain(filtering: Filtering, looks: float, *settings: Hashable) -> float:
    """Mean of simulated speckle over the mean of what the filter makes of it."""
    noisy = speckled(np.ones((SIDE_PX, SIDE_PX)), Speckle(looks), SEED)
    return float(noisy.mean(dtype=np.float64) / filtering(noisy, looks, *settings).mean(dtype=np.float64))
