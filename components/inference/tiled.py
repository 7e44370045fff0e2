"""Prediction in memory: survey once, then tiles with context whose results are cropped or blended.

A tiled prediction equals the whole one (up to rounding) where the method's halo holds its receptive field:
every tile and its context start on a multiple of the alignment, so that pooling windows of a tile fall on
those of the whole scene.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.inference.canvas import Canvas
from components.inference.compute import Compute
from components.inference.engine import Plan, Progress, Stop, crop, run
from components.inference.method import Aligned, Batched, Blended, Inputs, Method, Outputs
from components.inference.tiling import ALIGNMENT_PX, Layout
from components.raster.grid import Grid, Window
from components.raster.scene import Features, require_one_grid

TILE_PX = 512


def predict(
    method: Method,
    inputs: Inputs,
    *,
    tile_px: int = TILE_PX,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Outputs:
    """Outputs of a method on the grid of the inputs; nodata where no input holds a valid pixel.

    A method without halo (None) and a scene of at most ``tile_px`` a side are predicted whole. ``tile_px`` is
    rounded up to a multiple of the method's alignment.

    Raises:
        GridMismatch: if rasters that must be tiled do not share one grid.
        PredictionStopped: if ``stop`` said so between two tiles.
        ValueError: if ``tile_px`` is not positive.
    """
    surveyed = method.survey(inputs)
    rasters = {name: value for name, value in inputs.items() if not isinstance(value, Features)}
    sides = [side for raster in rasters.values() for side in raster.grid.shape]
    if surveyed.halo_px is None or max(sides, default=0) <= tile_px:
        outputs = predict_whole(surveyed, inputs)
        if progress:
            progress(1, 1)
        return outputs
    grid = require_one_grid(rasters)
    canvas = Canvas(grid)
    run(surveyed, _InMemory(inputs, grid), canvas, plan_of(surveyed, tile_px), progress, stop)
    return canvas.outputs


def predict_whole(method: Method, inputs: Inputs) -> Outputs:
    """What a surveyed method says of inputs in one piece, on the device that tiles would be computed on."""
    if not isinstance(method, Batched):
        return method.predict(inputs)
    arguments, context = method.encode(inputs)
    (answer,) = Compute(method, 1).start([arguments]).finish()
    return method.decode(context, answer)


def plan_of(method: Method, tile_px: int) -> Plan:
    """How the tiles of a method are laid.

    Raises:
        ValueError: if ``tile_px`` is not positive or the method has no halo.
    """
    if method.halo_px is None:
        raise ValueError("a method that needs the whole scene cannot be tiled")
    alignment = method.alignment_px if isinstance(method, Aligned) else ALIGNMENT_PX
    blend = method.blend_px if isinstance(method, Blended) else 0
    return Plan(Layout(tile_px, method.halo_px, blend, alignment))


@dataclass(frozen=True)
class _InMemory:
    inputs: Inputs
    grid: Grid

    def read(self, window: Window) -> Inputs:
        return crop(self.inputs, window)

    def surely_empty(self, window: Window) -> bool:
        return False
