"""What goes in and what comes out: two scenes of one place, the flow between them, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene, BandMismatch
from components.inference.method import Outputs
from components.raster.grid import Grid
from components.raster.scene import Scene, Value, require_one_grid, valid_pixels
from components.raster.warping import warp
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.options import MethodOptions, SensorOptions

REFERENCE, MOVING = "reference", "moving"
FLOW, CONFIDENCE, REGISTERED = "flow", "confidence", "registered"
FLOW_BANDS = ("u", "v")
MOST_NEGATIVE = 0.25  # share of pixels below 0 from which "linear" values are taken for decibels
HEIGHT = "height"  # of the ground in m; only the making of training data reads it
COVER = "cover"  # classes of the ground under the reference; only the scores read it


class Pair(NamedTuple):
    """Reference and moving scene on one grid; ``valid`` (row, col) where both hold pixels."""

    reference: Scene
    moving: Scene
    valid: NDArray[np.bool_]

    @property
    def grid(self) -> Grid:
        """The grid of both."""
        return self.reference.grid


def pair_of(scenes: Mapping[str, Value], options: MethodOptions) -> Pair:
    """Reference and moving scene with exactly the bands of the options, by name.

    Raises:
        BandMismatch: if a scene or a band is missing.
        UnitMismatch: if a scene has another unit.
        GridMismatch: if the scenes do not lie on one grid.
    """
    reference = sensed(scenes, REFERENCE, options.reference)
    moving = sensed(scenes, MOVING, options.moving)
    require_one_grid({REFERENCE: reference, MOVING: moving})
    return Pair(reference, moving, reference.valid & moving.valid)


def sensed(scenes: Mapping[str, Value], name: str, sensor: SensorOptions) -> Scene:
    """The scene of that name with the bands of its sensor.

    Raises:
        BandMismatch: if the scene or a band is missing.
        UnitMismatch: if it has another unit.
        BadScene: if values of a radar in linear units are negative, as decibels are.
    """
    scene = scenes.get(name)
    if not isinstance(scene, Scene):
        raise BandMismatch(f"co-registration needs the scenes {REFERENCE} and {MOVING}", (name,), tuple(scenes))
    chosen = scene.require(sensor.unit, name).select(sensor.canonical_bands)
    if sensor.unit in ("amplitude", "intensity") and (chosen.array < 0).mean() > MOST_NEGATIVE:
        raise BadScene(
            name, f"values below 0 are no {sensor.unit}", "decibels? convert them: 10 ** (db / 10) is intensity"
        )
    return chosen


def flow_scene(flow: Flow | NDArray[Any], grid: Grid) -> Scene:
    """A flow ``(2, row, col)`` as a scene."""
    return Scene(np.asarray(flow, dtype=np.float32), grid, FLOW_BANDS, "px", float("nan"))


def answer(pair: Pair, flow: NDArray[Any], confidence: NDArray[Any]) -> Outputs:
    """The outputs of a method from ``flow`` (2, row, col) and ``confidence`` (row, col, 0..1).

    The moving scene is resampled once, bilinearly, and keeps its unit; it is nodata where it has nothing to give.
    The flow is known wherever the reference holds a pixel; confidence is 0 where the moving scene holds none there,
    and everywhere if one of the scenes holds the same value throughout: nothing can be matched with it.
    """
    seen = pair.reference.valid
    known = np.where(seen[None] & np.isfinite(flow).all(0), flow, np.nan).astype(np.float32)
    moving = pair.moving
    if not np.issubdtype(moving.array.dtype, np.inexact):
        pixels = np.where(valid_pixels(moving.array, moving.nodata), moving.array, np.nan)
        moving = moving.with_array(pixels.astype(np.float32), nodata=float("nan"))
    told = pair.valid & np.isfinite(flow).all(0) & ~(_blank(pair.reference) or _blank(pair.moving))
    sure = np.where(told, np.clip(confidence, 0, 1), 0)
    shares = np.where(seen, sure, np.nan).astype(np.float32)
    return {
        REGISTERED: warp(moving, known),
        FLOW: flow_scene(known, pair.grid),
        CONFIDENCE: Scene(shares[None], pair.grid, (CONFIDENCE,), "probability", float("nan")),
    }


def _blank(scene: Scene) -> bool:
    """True where every pixel of a band holds the same value, in all bands."""
    seen = scene.array[:, scene.valid]
    return bool((seen == seen[:, :1]).all())
