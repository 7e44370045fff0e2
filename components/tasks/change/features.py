"""Named numbers of a pair of scenes that mean something: bands, indices, and how they differ.

``before.<x>`` and ``after.<x>`` are a band (`B08`) or an index (`nbr`, `ndvi`) of one date; ``drop.<x>`` is
before minus after, of an index, of a band, or of the logarithm of a band (`log.B08`, blind to gain and
illumination). So `drop.nbr` is the dNBR of Key and Benson 2006 (FIREMON, section LA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.errors import BandMismatch, UnknownName
from components.raster.scene import Scene

Image = NDArray[np.float32]  # (row, col)
INDICES = {"nbr": ("B08", "B12"), "ndvi": ("B08", "B04")}
DARKEST = np.float32(0.01)  # least reflectance in ratios and logarithms: below it is noise
LARGEST = 8.0  # relative features are cut here: beyond eight deviations more is not more
LEAST_DEVIATION = 1e-3  # a scene without any texture is not stretched
MAD_TO_STD = 1.4826  # of a normal distribution


class Spread(NamedTuple):
    """Median and robust standard deviation of a feature over the valid pixels of a whole scene."""

    centre: float
    deviation: float


def both_valid(before: Scene, after: Scene) -> NDArray[np.bool_]:
    """True ``(row, col)`` where both dates hold pixels."""
    return before.valid & after.valid


def feature(name: str, before: Scene, after: Scene) -> Image:
    """A named feature ``(row, col)`` of a pair of unit `reflectance`; not finite where a scene is not.

    Raises:
        UnknownName: if there is no such feature.
        BandMismatch: if a band that it needs is missing.
    """
    when, _, what = name.partition(".")
    if when == "drop" and what:
        return _one_date(what, before) - _one_date(what, after)
    if when in ("before", "after") and what:
        return _one_date(what, before if when == "before" else after)
    raise UnknownName("feature", name, (f"{when}.<band or index>" for when in ("before", "after", "drop")))


def spreads(names: Sequence[str], before: Scene, after: Scene) -> Mapping[str, Spread]:
    """Centre and deviation of each feature over all pixels that are valid at both dates."""
    seen = both_valid(before, after)
    return {name: _spread(feature(name, before, after)[seen]) for name in names}


def relative(image: Image, spread: Spread) -> Image:
    """The feature in robust deviations from its scene's median, in -8..8."""
    scaled: Image = np.clip((image - spread.centre) / spread.deviation, -LARGEST, LARGEST, dtype=np.float32)
    return scaled


def _spread(values: NDArray[np.float32]) -> Spread:
    if not values.size:
        return Spread(0.0, 1.0)
    centre = float(np.median(values))
    return Spread(centre, MAD_TO_STD * float(np.median(np.abs(values - centre))) + LEAST_DEVIATION)


def _one_date(what: str, scene: Scene) -> Image:
    if what in INDICES:
        high, low = (_band(scene, name) for name in INDICES[what])
        ratio: Image = (high - low) / np.maximum(high + low, DARKEST)
        return ratio
    if what.startswith("log."):
        logarithm: Image = np.log(np.maximum(_band(scene, what.removeprefix("log.")), DARKEST))
        return logarithm
    return _band(scene, what)


def _band(scene: Scene, name: str) -> Image:
    if name not in scene.bands:
        raise BandMismatch("feature", (name,), scene.bands)
    return np.asarray(scene.array[scene.bands.index(name)], dtype=np.float32)
