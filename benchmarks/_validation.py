"""The validation places of co-registration runs whose chips and weights are here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.inference.method import Method
from components.tasks import load_run
from components.tasks.bundle import restore
from components.tasks.chips import Prepared
from components.tasks.params import RunParams
from components.tasks.seam import Sample, Task

PROJECT = Path(__file__).resolve().parents[1]


class Validation(NamedTuple):
    """A run with what it learnt, and its validation places."""

    run: str
    task: Task
    params: RunParams
    method: Method
    chips: list[Sample]


def validations(runs: Sequence[str]) -> Iterator[Validation]:
    """Each run; those whose chips are not here are left out."""
    for run in runs:
        prepared = PROJECT / "data" / "prepared" / run
        if prepared.is_dir():
            task, params = load_run(run)
            samples = task.samples(Prepared(prepared).of(params.split.folds()[0]), "val", params)
            method = restore(task, params, PROJECT / "models" / "weights" / run, "fixed")
            yield Validation(run, task, params, method, [samples[at] for at in range(len(samples))])
