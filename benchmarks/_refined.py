"""Between two sensors: what matching the flow of each run again does to its error on its own validation places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from components.inference.tiled import predict
from components.tasks import load_run
from components.tasks.bundle import restore
from components.tasks.chips import Prepared
from components.tasks.coregistration.refinement import refined

PROJECT = Path(__file__).resolve().parents[1]


def evaluate(runs: Sequence[str]) -> Iterator[tuple[str, float | None, float | None]]:
    """Run, mean EPE in px as it is and refined; runs whose chips are not here are left out."""
    for run in runs:
        prepared = PROJECT / "data" / "prepared" / run
        if not prepared.is_dir():
            continue
        task, params = load_run(run)
        samples = task.samples(Prepared(prepared).of(params.split.folds()[0]), "val", params)
        own = restore(task, params, PROJECT / "models" / "weights" / run, "fixed")
        chips = [samples[at] for at in range(len(samples))]
        rows = (
            [row for chip in chips for row in task.measure(chip, predict(each, chip.inputs))]
            for each in (own, refined(own))
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
