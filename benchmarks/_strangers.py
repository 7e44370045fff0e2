"""Negative control: the confidence of every method on pairs that show two different places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks._validation import validations
from components.inference.method import Method
from components.inference.tiled import predict
from components.raster.scene import Scene
from components.tasks.coregistration.pair import CONFIDENCE, MOVING, REFERENCE
from components.tasks.seam import Sample


def evaluate(runs: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """Method, mean confidence on the validation places, and with the moving scene of another validation place.

    The baselines are those of the first run whose chips are here; runs without chips are left out.
    """
    known: dict[str, Method] = {}
    for run, task, params, own, chips in validations(runs):
        new = {name: each for name, each in task.methods(params).baselines.items() if name not in known}
        known |= new
        for name, method in {**new, run: own}.items():
            yield name, _mean(method, chips), _mean(method, _mixed(chips))


def _mixed(chips: Sequence[Sample]) -> list[Sample]:
    """Each reference with the moving scene of the next chip, on the grid of the reference."""
    mixed = []
    for own, other in zip(chips, [*chips[1:], chips[0]], strict=True):
        reference, moving = own.inputs[REFERENCE], other.inputs[MOVING]
        assert isinstance(reference, Scene)
        assert isinstance(moving, Scene)
        stranger = moving.with_array(moving.array, grid=reference.grid)
        mixed.append(replace(own, inputs={**own.inputs, MOVING: stranger}))
    return mixed


def _mean(method: Method, chips: Sequence[Sample]) -> float:
    found = [predict(method, chip.inputs)[CONFIDENCE] for chip in chips]
    return float(np.mean([np.nanmean(each.array) for each in found if isinstance(each, Scene)]))


def table(rows: Iterator[tuple[str, float, float]]) -> str:
    """The rows as Markdown."""
    lines = ["| method | mean confidence, one place | two places |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {name} | {own:.2f} | {strange:.2f} |" for name, own, strange in rows)])
