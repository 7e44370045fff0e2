"""What goes in and what comes out: a noisy scene or a stack of them, the filtered intensity, what was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BandMismatch, NotEnoughData, UnitMismatch
from components.inference.method import Outputs
from components.raster.bands import band_indexes
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Stack, Value
from components.tasks.despeckling.options import MethodOptions

NOISY, SERIES = "noisy", "series"
FILTERED, RATIO = "filtered", "ratio"
REFLECTIVITY, KIND = "reflectivity", "kind"  # targets to be scored on: the truth, and what ground it is
REFERENCE = "reference"  # a mean over dates that stands for the truth where nobody knows it
OTHER, STABLE = "other", "stable"  # targets to learn from: another date, and where it shows the same ground


def noisy_of(scenes: Mapping[str, Value], options: MethodOptions) -> Scene:
    """The noisy scene with the bands of the options, as intensity with NaN for nodata.

    Raises:
        BandMismatch: if the scene or a band is missing.
        UnitMismatch: if it has another unit than the options say.
    """
    scene = scenes.get(NOISY)
    if not isinstance(scene, Scene):
        raise BandMismatch(f"despeckling needs the scene {NOISY}", (NOISY,), tuple(scenes))
    chosen = scene.require(options.unit, NOISY).select(options.canonical_bands)
    return _with_nan(in_unit(chosen, "intensity"))


def series_of(scenes: Mapping[str, Value], options: MethodOptions) -> Stack:
    """The stack with the bands of the options, as intensity.

    Raises:
        BandMismatch: if the stack or a band is missing.
        UnitMismatch: if it has another unit than the options say.
        NotEnoughData: if it holds no date.
    """
    stack = scenes.get(SERIES)
    if not isinstance(stack, Stack):
        raise BandMismatch(f"despeckling of a series needs the stack {SERIES}", (SERIES,), tuple(scenes))
    if stack.unit != options.unit:
        raise UnitMismatch(SERIES, options.unit, stack.unit)
    if not stack.dates:
        raise NotEnoughData(f"{SERIES}: the stack holds no date; bring at least one")
    indexes = list(band_indexes(options.canonical_bands, stack.bands, SERIES))
    chosen = replace(stack, array=stack.array[:, indexes], bands=options.canonical_bands)
    return in_unit(chosen, "intensity")


def answer(noisy: Scene, filtered: NDArray[Any]) -> Outputs:
    """The outputs of a method from the intensity ``filtered`` (band, row, col) of a noisy intensity scene.

    Each band keeps its own holes. The ratio, noisy over filtered, is nodata where the filtered intensity is 0.
    """
    seen = np.isfinite(noisy.array)
    kept = np.where(seen, filtered, np.nan).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(kept > 0, noisy.array / kept, np.nan).astype(np.float32)
    bare = replace(noisy, nodata=float("nan"), classes=())
    return {FILTERED: replace(bare, array=kept, unit="intensity"), RATIO: replace(bare, array=ratio, unit="1")}


def _with_nan(scene: Scene) -> Scene:
    array = scene.array.astype(np.float32)
    if scene.nodata is not None and np.isfinite(scene.nodata):
        array[scene.array == scene.nodata] = np.nan
    array[~np.isfinite(array)] = np.nan
    return replace(scene, array=array, nodata=float("nan"))
