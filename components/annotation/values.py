"""Are the values of an image what its unit says, on one scale with the others, and free of undeclared nodata?"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.raster.scene import Scene

Float = NDArray[np.float32]

SAMPLED_PX = 4096  # a scene is thinned to about as many pixels
LEAST_SCENES = 3  # fewer have no common scale
LEAST_SENTINELS = 0.001  # share of pixels with one and the same odd value
OPPOSITE = 99.0  # decades between a positive and a negative scene: decibels among linear ones
_MEDIAN = "median_"
# What values of a unit can be. Reflectance exceeds 1 on snow, glint and cloud, and noise takes it below 0;
# backscatter has no upper end, decibels lie between thermal noise and a corner reflector.
RANGES: Mapping[str, tuple[float, float]] = {
    "reflectance": (-0.2, 2.0),
    "amplitude": (0.0, inf),
    "intensity": (0.0, inf),
    "db": (-70.0, 50.0),
    "probability": (0.0, 1.0),
}


_MEASURES = ("partly_unseen_fraction", "outside_unit_fraction", "zero_fraction", "sentinel_fraction")


def value_columns(scenes: Mapping[str, Scene]) -> dict[str, float | None]:
    """The columns of a source, from about 4,000 pixels of each of its images; null where nothing is seen.

    ``partly_unseen_fraction`` is the share of pixels that some bands have and others not, ``outside_unit_fraction``
    that of values which the unit cannot have, ``zero_fraction`` that of seen pixels which are exactly 0 in every band,
    ``sentinel_fraction`` that of the commonest value far away from all others: each of the worst band and image.
    ``median_<image>_<band>`` is the middle of each band.
    """
    found = [_measured(scene, f"{_MEDIAN}{name}_") for name, scene in scenes.items()]
    worst = {name: max((each[name] for each in found if name in each), default=None) for name in _MEASURES}
    return {**worst, **{key: value for each in found for key, value in each.items() if key not in _MEASURES}}


def _measured(scene: Scene, prefix: str) -> dict[str, float]:
    step = max(1, isqrt(scene.grid.shape[0] * scene.grid.shape[1] // SAMPLED_PX))
    thin = scene.array[:, ::step, ::step].reshape(len(scene.bands), -1)
    has_value = np.isfinite(thin) if scene.nodata is None or np.isnan(scene.nodata) else thin != scene.nodata
    seen = has_value.all(axis=0)
    partly = float((has_value.any(axis=0) & ~seen).mean())
    pixels = np.sort(thin[:, seen].astype(np.float32), axis=1)
    if not pixels.size:
        return {"partly_unseen_fraction": partly}
    low, high = RANGES.get(scene.unit, (-inf, inf))
    medians = pixels[:, pixels.shape[1] // 2]
    return {
        "partly_unseen_fraction": partly,
        "outside_unit_fraction": float(((pixels < low) | (pixels > high)).mean(axis=1).max()),
        "zero_fraction": float((thin[:, seen] == 0).all(axis=0).mean()),
        "sentinel_fraction": max(_sentinels(band) for band in pixels),
        **{f"{prefix}{name}": float(value) for name, value in zip(scene.bands, medians, strict=True)},
    }


def with_scale(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``scale_decades``: how many powers of ten a scene's median lies from that of all scenes.

    It is that of the band which lies farthest; 99 where the signs differ. Null below three scenes.
    """
    scenes = table["level"] == "scene"
    columns = [name for name in table if str(name).startswith(_MEDIAN)]
    medians = table.loc[scenes, columns].astype(float)
    if len(medians) < LEAST_SCENES or not columns:
        return table.assign(scale_decades=np.nan)
    middle = medians.median()
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = (medians / middle).abs().map(np.log10).abs()
    decades = decades.where(np.isfinite(decades)).mask(np.sign(medians) * np.sign(middle) < 0, OPPOSITE)
    return table.assign(scale_decades=decades.max(axis=1).reindex(table.index))


def _sentinels(ordered: Float) -> float:
    """Share of the lowest or highest of ascending values, where all others lie farther from it than they spread."""
    shares = [_alone(ordered), _alone(-ordered[::-1])]
    return max(share if share >= LEAST_SENTINELS else 0.0 for share in shares)


def _alone(ordered: Float) -> float:
    """Share of the lowest value; 0 where the next ones are near, or where there are no others."""
    count = int(np.searchsorted(ordered, ordered[0], side="right"))
    rest = ordered[count:]
    if rest.size < 2:
        return 0.0
    spread = float(rest[int(0.99 * (rest.size - 1))] - rest[int(0.01 * (rest.size - 1))])
    return count / ordered.size if float(rest[0] - ordered[0]) > max(spread, 1e-9) else 0.0
