"""Displacements as relief and georeferencing make them, and scenes that are displaced by a known flow.

Aligned scenes, one of them displaced by a shift, a part that follows the relief along one direction (the range of a
radar that looks from the side), a low-order warp and smooth noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from components.raster.scene import Scene
from components.raster.warping import warp
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.options import DeformationOptions
from components.tasks.coregistration.views import LOG_DB

Grey = NDArray[np.float32]
STEEPEST = 0.4  # change of a flow from pixel to pixel: below 1 it can be inverted, and no ground is hidden
RELIEF_SMOOTH_PX, RELIEF_SCALES_PX, NOISE_SCALE_PX = 2.0, (6.0, 40.0), 10.0
ROUNDS = 12  # STEEPEST ** ROUNDS of a 12 px flow is 0.0002 px
RANGE_SPREAD = 0.35  # radians: how far the direction of the relief part strays from the rows


def draw_flow(
    shape: tuple[int, int], options: DeformationOptions, rng: np.random.Generator, height_m: Grey | None = None
) -> Flow:
    """A random flow ``(2, row, col)`` in pixels, no steeper than `STEEPEST` and no longer than ``most_px``.

    Without a height of the ground ``(row, col)`` a random one takes its place; unknown height counts as level ground.
    """
    rows, cols = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    angle = rng.choice([0.0, np.pi]) + rng.normal(0, RANGE_SPREAD)
    relief = _relief(shape, rng) if height_m is None else _level(height_m)
    along = np.array([np.cos(angle), np.sin(angle)], np.float32)[:, None, None]
    bent = np.stack([_bent(rows, cols, rng) for _ in range(2)])
    noise = np.stack([_rough(shape, NOISE_SCALE_PX, rng) for _ in range(2)])
    share = np.float32(rng.uniform(0.3, 1.0))  # not every scene is displaced as much as it could be
    flow = share * (options.relief_px * relief * along + options.warp_px * bent + options.noise_px * noise)
    steep = max(float(np.abs(np.diff(flow, axis=axis)).max(initial=0.0)) for axis in (1, 2))
    flow *= min(1.0, STEEPEST / max(steep, 1e-9))
    flow += rng.uniform(-options.shift_px, options.shift_px, (2, 1, 1)).astype(np.float32)
    longest = float(np.linalg.norm(flow, axis=0).max(initial=0.0))
    return np.asarray(flow * min(1.0, options.most_px / max(longest, 1e-9)), dtype=np.float32)


def deformed(scene: Scene, flow: Flow, back: Flow | None = None) -> Scene:
    """The scene displaced: what stood at ``x`` stands at ``x + flow(x)``; resampled once.

    ``back`` is `inverse` of the flow where it is known already. Nodata where nothing came from. Decibels are
    curved: radar in linear units is resampled bilinearly, which never leaves its range; others cubically.
    """
    back = inverse(flow) if back is None else back
    return warp(scene, back, resampling="bilinear" if scene.unit in LOG_DB else "cubic")


def inverse(flow: Flow, *, step: int = 2) -> Flow:
    """The way back, ``v(y) = -w(y + v(y))``, by fixed-point iteration on every ``step``-th pixel: flows are smooth."""
    thin = zoom(flow, (1, 1 / step, 1 / step), order=1, grid_mode=True, mode="nearest") / step
    rows, cols = np.indices(thin.shape[1:], dtype=np.float32)
    back = -thin
    for _ in range(ROUNDS):
        at = (rows + back[1], cols + back[0])
        back = -np.stack([map_coordinates(part, at, order=1, mode="nearest") for part in thin])
    scale = (1, *(full / part for full, part in zip(flow.shape[1:], thin.shape[1:], strict=True)))
    return np.asarray(step * zoom(back, scale, order=1, grid_mode=True, mode="nearest"), dtype=np.float32)


def _level(height_m: Grey) -> Grey:
    """Height as a field of mean 0 and deviation 1; all 0 where the ground is level or unknown."""
    known = np.isfinite(height_m)
    middle = float(height_m[known].mean()) if known.any() else 0.0
    return _unit(gaussian_filter(np.where(known, height_m - middle, 0).astype(np.float32), RELIEF_SMOOTH_PX))


def _relief(shape: tuple[int, int], rng: np.random.Generator) -> Grey:
    """Hills of several sizes."""
    sizes = np.geomspace(*RELIEF_SCALES_PX, 3)
    return _unit(np.sum([size * _rough(shape, float(size), rng) for size in sizes], axis=0))


def _bent(rows: Grey, cols: Grey, rng: np.random.Generator) -> Grey:
    """A random affine and quadratic field."""
    y, x = rows[:, None], cols[None]
    a = rng.standard_normal(5).astype(np.float32)
    return _unit(a[0] * x + a[1] * y + 0.7 * (a[2] * x * x + a[3] * x * y + a[4] * y * y))


def _rough(shape: tuple[int, int], scale_px: float, rng: np.random.Generator) -> Grey:
    """Smooth noise whose structures are a few ``scale_px`` wide; drawn coarsely and enlarged."""
    step = max(1, int(scale_px / 2))
    coarse = [-(-side // step) + 4 for side in shape]
    drawn = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), scale_px / step)
    fine = zoom(drawn, step, order=1, grid_mode=True, mode="nearest")
    return _unit(fine[step : step + shape[0], step : step + shape[1]])


def _unit(field: NDArray[np.floating]) -> Grey:
    """Mean 0 and deviation 1; a constant field becomes 0."""
    centred = field - field.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-6), dtype=np.float32)
