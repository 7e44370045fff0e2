"""What every method sees of a scene: one grey channel, so that any two sensors can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.raster.scene import Scene
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.structure import ORIENTATIONS, structure_of

CLIP = 4.0  # scales from the centre: one bright scatterer would otherwise flatten everything else
LEAST_SCALE = 1e-6  # a constant band stays 0 rather than being blown up
LOG_DB = {"amplitude": 20.0, "intensity": 10.0}  # decibels a decade: speckle is additive there
SPREAD = (15.865, 84.135)  # percentiles: one standard deviation to either side of a Gaussian


def statistics_of(scene: Scene) -> NDArray[np.float32]:
    """Centre and scale ``(2, band)`` of a scene: median and half the distance of two percentiles, SAR in decibels.

    A band without valid pixels has centre 0 and scale 1.
    """
    values, valid = _values(scene), scene.valid
    if not valid.any():
        return np.stack([np.zeros(len(values), np.float32), np.ones(len(values), np.float32)])
    low, middle, high = np.percentile(values[:, valid], (SPREAD[0], 50, SPREAD[1]), axis=1)
    scale = (high - low) / 2
    return np.stack([middle, np.where(scale > LEAST_SCALE, scale, 1)]).astype(np.float32)


def grey(scene: Scene, statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Standardised bands, averaged into one channel ``(row, col)`` within -4..4; NaN where a band holds no pixel.

    ``statistics`` are those of `statistics_of` for the whole scene of which this one is a window.
    """
    centre, scale = statistics_of(scene) if statistics is None else statistics
    standard = (_values(scene) - centre[:, None, None]) / scale[:, None, None]
    mean = np.clip(standard, -CLIP, CLIP).mean(0)
    return np.where(scene.valid, mean, np.nan).astype(np.float32)


def channels_of(options: MethodOptions) -> int:
    """How many channels `network_view` gives."""
    return {"grey": 1, "structure": ORIENTATIONS, "both": 1 + ORIENTATIONS}[options.view]


def network_view(image: NDArray[np.float32], options: MethodOptions) -> NDArray[np.float32]:
    """A grey image ``(row, col)`` as a network sees it, ``(channel, row, col)``, 0 where there is no pixel.

    The view `structure` does not tell bright from dark, so that radar and optical edges look alike from the start.
    """
    parts = []
    if options.view != "structure":
        parts.append(np.nan_to_num(image, nan=0.0)[None])
    if options.view != "grey":
        parts.append(structure_of(image).channels)
    return np.concatenate(parts)


def _values(scene: Scene) -> NDArray[np.float32]:
    """The pixels, those of a SAR scene in decibels."""
    values = np.asarray(scene.array, dtype=np.float32)
    if scene.unit not in LOG_DB:
        return values
    return np.asarray(LOG_DB[scene.unit] * np.log10(np.maximum(values, np.float32(1e-8))), dtype=np.float32)
