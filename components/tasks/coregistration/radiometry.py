"""Random radiometry for training: what simulation cannot know of real sensors is made not to matter.

Networks trained on simulated scenes meet real ones whose grey values relate otherwise: contrasts inverted between
sensors, other tone curves, other speckle, haze, blur (domain randomisation, Tobin et al. 2017,
https://arxiv.org/abs/1703.06907). Geometry is never touched, so the true flow stays true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.tasks.coregistration.views import CLIP

Grey = NDArray[np.float32]  # (row, col), standardised
Rng = np.random.Generator
KNOTS = np.linspace(-CLIP, CLIP, 7)  # of a random tone curve
DETAIL_PX = 6.0  # structures smaller than about twice this are inverted locally, larger ones stay
SCENE_DB = 3.0  # spread of a SAR scene in decibels: what a unit of its grey value is worth
SPECKLE_LOOKS = (2.0, 30.0)


def randomised(image: Grey, rng: Rng, *, radar: bool, strength: float) -> Grey:
    """A grey image ``(row, col)`` as another sensor, on another day, might have seen the same ground.

    ``strength`` scales how often and how much: 0 leaves the image as it is. Only optical contrast is inverted; only
    radar gets more speckle. NaN (no pixel) becomes 0, the centre of the scale.
    """
    seen = np.isfinite(image)
    changed = np.where(seen, image, np.float32(0))
    if strength:
        changed = _toned(changed, rng, strength, radar)
        changed = _speckled(changed, rng, strength) if radar else _inverted_details(changed, rng, strength)
        changed = _patched(_noisy(_blurred(_lit(changed, rng, strength), rng, strength), rng, strength), rng, strength)
        changed = np.where(seen, np.clip(changed, -CLIP, CLIP), 0)
    return np.asarray(changed, dtype=np.float32)


def _toned(image: Grey, rng: Rng, strength: float, radar: bool) -> Grey:
    """Through a random tone curve, half of the optical ones falling instead of rising."""
    share = strength * rng.uniform(0, 0.2 if radar else 0.6)
    curve = (1 - share) * KNOTS + share * rng.normal(0, 1.5, KNOTS.size)
    if not radar and rng.random() < strength / 2:
        curve = -curve
    return np.interp(image, KNOTS, curve).astype(np.float32)


def _inverted_details(image: Grey, rng: Rng, strength: float) -> Grey:
    """Details of a part of the image inverted, with a smooth border between the parts."""
    if rng.random() > 0.3 * strength:
        return image
    coarse: Grey = ndimage.gaussian_filter(image, DETAIL_PX, mode="nearest")
    signs: Grey = np.tanh(4 * _smooth(image.shape, rng))
    return coarse + signs * (image - coarse)


def _speckled(image: Grey, rng: Rng, strength: float) -> Grey:
    """Multiplied with speckle of a random number of looks: an addition to a logarithm."""
    if rng.random() > 0.5 * strength:
        return image
    looks = np.exp(rng.uniform(*np.log(SPECKLE_LOOKS)))
    speckle = np.maximum(rng.gamma(looks, 1 / looks, image.shape), 1e-3).astype(np.float32)
    return np.asarray(image + 10 / SCENE_DB * np.log10(speckle), dtype=np.float32)


def _lit(image: Grey, rng: Rng, strength: float) -> Grey:
    """With a gain and an offset that change slowly over the image."""
    gain, offset = _smooth(image.shape, rng), _smooth(image.shape, rng)
    return np.asarray(image * np.exp(0.3 * strength * gain) + 0.4 * strength * offset, dtype=np.float32)


def _blurred(image: Grey, rng: Rng, strength: float) -> Grey:
    if rng.random() > 0.4 * strength:
        return image
    return np.asarray(ndimage.gaussian_filter(image, rng.uniform(0, 1.2)), dtype=np.float32)


def _noisy(image: Grey, rng: Rng, strength: float) -> Grey:
    noise = rng.uniform(0, 0.3) * strength * rng.standard_normal(image.shape)
    return np.asarray(image + noise, dtype=np.float32)


def _patched(image: Grey, rng: Rng, strength: float) -> Grey:
    """With up to three rectangles that say nothing, as clouds and changed ground do."""
    if rng.random() > 0.3 * strength:
        return image
    image = image.copy()
    for _ in range(int(rng.integers(1, 4))):
        rows, cols = (int(rng.integers(4, max(side // 4, 5))) for side in image.shape)
        row, col = (int(rng.integers(side)) for side in image.shape)
        image[row : row + rows, col : col + cols] = rng.normal()
    return image


def _smooth(shape: tuple[int, ...], rng: Rng) -> Grey:
    """Noise of deviation about 1 that changes over a quarter to a half of the image."""
    coarse = rng.standard_normal((int(rng.integers(3, 6)), int(rng.integers(3, 6))))
    factors = [side / nodes for side, nodes in zip(shape, coarse.shape, strict=True)]
    return np.asarray(ndimage.zoom(coarse, factors, order=1, mode="nearest", grid_mode=True), dtype=np.float32)
