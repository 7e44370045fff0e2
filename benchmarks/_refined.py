"""Between two sensors: what matching the flow of each run again does to its error on its own validation places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks._validation import validations
from components.inference.tiled import predict
from components.tasks.coregistration.networks import FlowNetwork


def evaluate(runs: Sequence[str]) -> Iterator[tuple[str, float | None, float | None]]:
    """Run, mean EPE in px as it is and refined; runs whose chips are not here are left out."""
    for run, task, _, own, chips in validations(runs):
        assert isinstance(own, FlowNetwork)
        rows = (
            [row for chip in chips for row in task.measure(chip, predict(each, chip.inputs))]
            for each in (own.refining(refine=False), own.refining(refine=True))
        )
        plain, again = (task.summarise(each)["epe"] for each in rows)
        yield run, plain, again


def table(rows: Iterator[tuple[str, float | None, float | None]]) -> str:
    """The rows as Markdown."""
    lines = ["| run | validation places, mean EPE in px | refined |", "| --- | ---: | ---: |"]
    lines += [
        f"| {run} | {own:.3f} | {again:.3f} |" for run, own, again in rows if own is not None and again is not None
    ]
    return "\n".join(lines)
