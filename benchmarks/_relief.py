"""Held-out real pairs, aligned as published, displaced by synthetic relief: errors by length of the true flow.

No ground model lies beside these pairs, so the relief is drawn, as are shift, warp and noise: the deformation of the
training (`deformation.draw_flow` with its defaults), applied to the optical image, which is resampled once. Every draw
is a number of the generator, the same for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks._pairs import AlignedPair
from components.inference.method import Method
from components.inference.tiled import predict_whole
from components.metrics.bootstrap import Interval
from components.metrics.crossed import crossed_mean
from components.metrics.flow import end_point_errors
from components.raster.scene import Scene
from components.tasks.coregistration.deformation import deformed, draw_flow
from components.tasks.coregistration.filters import Flow
from components.tasks.coregistration.options import DeformationOptions, MethodOptions
from components.tasks.coregistration.pair import FLOW, MOVING, REFERENCE, flow_scene
from components.tasks.coregistration.scoring import LENGTHS_PX, comparable
from components.tasks.seam import Sample

DRAWS, BLOCKS = 5, 3  # deformations of a pair; blocks along a side, wider than a window of any method
CAPTION = f"""\
Mean end-point error in px with its 95 % interval over {DRAWS} draws of the deformation and {BLOCKS} x {BLOCKS} blocks
of ground, by length of the true flow. `apart`: length in px of the median flow that a method finds between the images
as they were published, which count as aligned here: what of it is true displacement is a floor for everyone. Template
matching finds about 0.8 px in the Sen1Floods11 chip and 2.4 px in shuguang. Of all
trainings only that of `coregistration-pairs` has seen one of these pairs, the Sen1Floods11 chip."""


@dataclass(frozen=True)
class Score:
    """What a method leaves on a pair: intervals by name of a part of the pixels, and how far it moves the original."""

    pair: str
    method: str
    errors: Mapping[str, Interval]
    apart_px: float


def evaluate(
    methods: Mapping[str, Callable[[MethodOptions], Method]], pairs: tuple[AlignedPair, ...], draws: int = DRAWS
) -> Iterator[Score]:
    """A score a pair and method; the draws of a pair are those of every method."""
    for pair in pairs:
        samples = [displaced(pair, seed) for seed in range(draws)]
        for name, make in methods.items():
            method = make(pair.options)
            cells = [_cells(sample, _found(method, sample.inputs)) for sample in samples]
            errors = {
                part: crossed_mean(*(np.array([cell[part][index] for cell in cells]) for index in (0, 1)))
                for part in cells[0]
            }
            apart = np.hypot(*np.nanmedian(_found(method, pair.scenes), axis=(1, 2)))
            yield Score(pair.name, name, errors, float(apart))


def displaced(pair: AlignedPair, seed: int) -> Sample:
    """The pair with its moving scene displaced by the flow of that seed, and that flow."""
    reference, moving = pair.scenes[REFERENCE], pair.scenes[MOVING]
    flow = draw_flow(reference.grid.shape, DeformationOptions(), np.random.default_rng(seed))
    inputs = {REFERENCE: reference, MOVING: deformed(moving, flow)}
    return Sample(f"{pair.name}#{seed}", pair.name, inputs, {FLOW: flow_scene(flow, reference.grid)})


def _found(method: Method, scenes: Mapping[str, Scene]) -> Flow:
    flow = predict_whole(method.survey(scenes), scenes)[FLOW]
    assert isinstance(flow, Scene)
    return np.asarray(flow.array, dtype=np.float32)


def _cells(sample: Sample, said: Flow) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Sum and number of the errors in each block, in all and by length of the true flow."""
    target = sample.targets[FLOW]
    assert isinstance(target, Scene)
    truth = np.asarray(target.array, dtype=np.float32)
    errors, length = end_point_errors(said, truth), np.linalg.norm(truth, axis=0)
    seen, block = comparable(sample, truth), _blocks(length.shape)
    parts = {"all": seen}
    for low, high in pairwise(LENGTHS_PX):
        name = f"above {low:g} px" if np.isinf(high) else f"{low:g}-{high:g} px"
        parts[name] = seen & (length >= low) & (length < high)
    return {
        name: (
            np.bincount(block[inside], errors[inside], BLOCKS**2),
            np.bincount(block[inside], minlength=BLOCKS**2).astype(np.float64),
        )
        for name, inside in parts.items()
    }


def _blocks(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The number of the block in which each pixel ``(row, col)`` lies."""
    row, col = (np.arange(side) * BLOCKS // side for side in shape)
    return row[:, None] * BLOCKS + col[None]


def table(scores: list[Score]) -> str:
    """Caption and rows as Markdown."""
    parts = list(scores[0].errors)
    lines = [f"| pair | method | {' | '.join(parts)} | apart |", "| --- | --- |" + " ---: |" * (len(parts) + 1)]
    for score in scores:
        cells = " | ".join(_cell(score.errors[part]) for part in parts)
        lines.append(f"| {score.pair} | {score.method} | {cells} | {score.apart_px:.2f} |")
    return f"{CAPTION}\n\n" + "\n".join(lines)


def _cell(error: Interval) -> str:
    if error.value is None:
        return ""
    known = error.low is not None and error.high is not None
    return f"{error.value:.2f}" + (f" [{error.low:.2f}, {error.high:.2f}]" if known else "")
