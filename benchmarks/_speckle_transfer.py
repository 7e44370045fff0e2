"""Filters and learnt weights on a sample of another sensor: a TerraSAR-X single-look image of 256 x 256 px.

As it is (about one look), and averaged over 2 x 2 px. Nobody knows its truth, so areas are chosen on the noisy image,
alike for all methods: boxes that vary least, pixels where neighbouring means differ most, and the brightest points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter, uniform_filter

from components.inference.method import Method
from components.inference.tiled import predict
from components.metrics.speckle import Suppression, edge_preservation, target_contrast_loss_db
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.despeckling.scenes import FILTERED, NOISY

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]
Levels = tuple[float, ...] | None  # mean logarithm of intensity that each band is brought to
BOX_PX, BOXES = 16, 10
EDGE_SHARE, EDGE_PX = 0.05, 7
TARGETS, TARGET_PX, RING_PX = 5, 3, 15


@dataclass(frozen=True)
class Areas:
    """Where a filter is looked at: boxes, pixels along edges, and targets with their surrounds."""

    even: tuple[tuple[slice, slice], ...]
    edges: Mask
    targets: tuple[tuple[Mask, Mask], ...]


def sample(path: Path) -> dict[int, Image]:
    """Intensity as stored and averaged over 2 x 2 px, by side of the average."""
    single = (np.squeeze(np.load(path)).astype(np.float64) ** 2).sum(axis=-1)
    rows, cols = (length // 2 for length in single.shape)
    return {1: single, 2: single[: 2 * rows, : 2 * cols].reshape(rows, 2, cols, 2).mean(axis=(1, 3))}


def areas_of(noisy: Image) -> Areas:
    """Chosen on the noisy image alone."""
    rows, cols = (range(0, length - BOX_PX + 1, BOX_PX) for length in noisy.shape)
    boxes = [(slice(r, r + BOX_PX), slice(c, c + BOX_PX)) for r in rows for c in cols]
    even = sorted(boxes, key=lambda box: float(noisy[box].std() / noisy[box].mean()))[:BOXES]
    log = np.log(uniform_filter(noisy, EDGE_PX) + 1e-12)
    steps = [np.abs(np.roll(log, EDGE_PX, axis) - np.roll(log, -EDGE_PX, axis)) for axis in (0, 1)]
    strength = np.maximum(*steps)
    strength[:EDGE_PX], strength[-EDGE_PX:], strength[:, :EDGE_PX], strength[:, -EDGE_PX:] = 0, 0, 0, 0
    edges = strength > np.quantile(strength, 1 - EDGE_SHARE)
    return Areas(tuple(even), edges, tuple(_targets(noisy)))


def _targets(noisy: Image) -> list[tuple[Mask, Mask]]:
    """The brightest local maxima with the ring around each."""
    peaks = np.argwhere(noisy == maximum_filter(noisy, RING_PX))
    brightest = sorted(peaks.tolist(), key=lambda at: -noisy[tuple(at)])[:TARGETS]
    found = []
    for row, col in brightest:
        point = np.zeros(noisy.shape, bool)
        point[row, col] = True
        core, near, far = (binary_dilation(point, np.ones((n, n))) for n in (TARGET_PX, RING_PX // 2, RING_PX))
        found.append((core, far & ~near))
    return found


def measured(noisy: Image, filtered: Image, areas: Areas) -> dict[str, float]:
    """ENL and the ratio's mean and variance (medians over boxes), edge preservation, decibels of targets lost."""
    boxes = [Suppression.of(noisy[box], filtered[box]) for box in areas.even]
    known = [each for each in boxes if each is not None]
    edges = [edge_preservation(noisy, filtered, axis, areas.edges) for axis in (0, 1)]
    lost = [target_contrast_loss_db(noisy, filtered, *target) for target in areas.targets]
    return {
        "ENL": float(np.median([each.enl if each.enl is not None else np.inf for each in known])),
        "ratio mean": float(np.median([each.ratio_mean for each in known])),
        "ratio variance": float(np.median([each.ratio_variance for each in known])),
        "edge preservation": float(np.mean([each for each in edges if each is not None])),
        "target contrast lost, dB": float(np.mean([each for each in lost if each is not None])),
    }


def filtered_by(method: Method, noisy: Image, bands: tuple[str, ...], levels: Levels) -> Image:
    """The answer for the first band; every band is shown the same image, brought to ``levels`` and back.

    Levels of another sensor are counts: a network that learnt calibrated backscatter would meet logarithms it never
    saw. A factor is no change of the ratio, of ENL or of contrast.
    """
    centre = float(np.log(noisy[noisy > 0]).mean())
    gains = np.exp([0.0] * len(bands) if levels is None else np.array(levels) - centre)
    array = (noisy[None] * gains[:, None, None]).astype(np.float32)
    grid = Grid(None, Affine.identity(), noisy.shape)
    answer = predict(method, {NOISY: Scene(array, grid, bands, "intensity", float("nan"))})[FILTERED]
    assert isinstance(answer, Scene), "a filter answers a scene"
    return np.asarray(answer.array[0] / gains[0], np.float64)


def transfer(path: Path, methods: Mapping[int, Mapping[str, tuple[Method, tuple[str, ...], Levels]]]) -> str:
    """A Markdown table of every method on the sample; ``methods`` by side of the average, with bands and level."""
    lines: list[list[Any]] = []
    names: list[str] = []
    for side, noisy in sample(path).items():
        areas = areas_of(noisy)
        raw = measured(noisy, noisy, areas)
        names = list(raw)
        lines.append([f"{side} x {side}", "nothing", *(f"{value:.3g}" for value in raw.values())])
        for name, (method, bands, levels) in methods[side].items():
            found = measured(noisy, filtered_by(method, noisy, bands, levels), areas)
            lines.append([f"{side} x {side}", name, *(f"{value:.3g}" for value in found.values())])
    head = ["mean of", "filter", *names]
    rule = "| --- | --- |" + " ---: |" * len(names)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])
