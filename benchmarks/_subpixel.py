"""Textures of one sensor moved by fractions of a pixel: how far off each method is (METHODS.md A, G.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks._pairs import any_options, scene_of
from components.inference.method import Method
from components.inference.tiled import predict_whole
from components.raster.scene import Scene
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import FLOW, MOVING, REFERENCE

SIDE, EDGE = 224, 32
SPREADS_PX = (1.5, 2.0, 4.0)
STILL = (0.0, 0.0)
SHIFTS = (
    *((0.5, -0.25), (1.3, 2.7), (-3.1, 0.9), (0.25, 0.25), (-0.4, 1.6)),
    *((2.2, -0.7), (0.1, 0.9), (5.5, -4.5), (-7.3, 3.4)),
)
LIMIT_PX = 0.05


@dataclass(frozen=True)
class Found:
    """Mean distance from the truth in px of one method: of identical textures, and of each shift of each texture."""

    method: str
    still: tuple[float, ...]
    moved: tuple[float, ...]


def evaluate(methods: Mapping[str, Callable[[MethodOptions], Method]]) -> Iterator[Found]:
    """Every method on every texture; inner pixels only, because a border shows nothing of what came in."""
    for name, make in methods.items():
        errors = {shift: [_error(make, spread, shift) for spread in SPREADS_PX] for shift in (STILL, *SHIFTS)}
        yield Found(name, tuple(errors.pop(STILL)), tuple(error for each in errors.values() for error in each))


def table(rows: Iterator[Found]) -> str:
    """The rows as Markdown."""
    lines = [
        f"| method | identity, worst | shifts, best to worst | above {LIMIT_PX} px |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        above = sum(error > LIMIT_PX for error in row.moved)
        spread = f"{min(row.moved):.3f} to {max(row.moved):.3f}"
        lines.append(f"| {row.method} | {max(row.still):.3f} | {spread} | {above} of {len(row.moved)} |")
    return "\n".join(lines)


def _error(make: Callable[[MethodOptions], Method], spread_px: float, shift: tuple[float, float]) -> float:
    u, v = shift
    ground = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((SIDE, SIDE)), spread_px)
    moved = ndimage.shift(ground, (v, u), order=5, mode="mirror")
    scenes = {REFERENCE: _scene(ground, ground.std()), MOVING: _scene(moved, ground.std())}
    method = make(any_options(scenes, None)).survey(scenes)
    flow = predict_whole(method, scenes)[FLOW]
    assert isinstance(flow, Scene)
    inner = flow.array[:, EDGE:-EDGE, EDGE:-EDGE]
    return float(np.hypot(inner[0] - u, inner[1] - v).mean())


def _scene(texture: NDArray[np.float64], spread: float) -> Scene:
    return scene_of(0.3 + 0.05 * texture / spread, "reflectance")
