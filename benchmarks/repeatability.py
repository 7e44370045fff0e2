"""Whether a short training of PWC-Net ends well for every seed: `python -m benchmarks repeatability`, a long one.

Both variants are trained with five seeds on the chips of `coregistration-s1s2` (prepare that run first), with a budget
that two cores spend in minutes, and scored on its validation places; test places are not touched. A training counts
as not converged where its error at the end is not below that of leaving everything where it is, or is not finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from components.errors import TrainingDiverged
from components.tasks import load_run
from components.tasks.chips import Prepared
from components.tasks.coregistration.classical import classical
from components.tasks.coregistration.options import method_options
from components.tasks.params import RunParams
from components.tasks.seam import Task
from components.training.stage import Stage, train_run, validation_score

PROJECT = Path(__file__).resolve().parents[1]
RUN, SEEDS = "coregistration-s1s2", 5
VARIANTS: dict[str, dict[str, Any]] = {
    "PWC-Net": {"name": "pwc-net", "normalised": False},
    "PWC-Net-multimodal": {"name": "pwc-net-multimodal", "normalised": False},
}
SMALL = {"view": "structure", "width": 0.25, "crop_px": 96, "templates": {}, "unrelated": 0.15}
BUDGET = {"epochs": 2, "steps_per_epoch": 60, "batch": 2, "lr": 1e-3, "lr_decay": 0.5, "threads": 1, "patience": 2}


@dataclass(frozen=True)
class Outcome:
    """The validation error in px of one seed after each epoch; empty where a loss was not finite."""

    variant: str
    seed: int
    errors: tuple[float, ...]

    def converged(self, still: float) -> bool:
        """Whether the last error is below that of zero flow."""
        return bool(self.errors) and self.errors[-1] < still


def outcomes(variants: Sequence[str], seeds: Sequence[int]) -> Iterator[Outcome]:
    """One training after the other."""
    task, params = load_run(RUN)
    prepared = Prepared(PROJECT / "data/prepared" / RUN)
    for variant in variants:
        for seed in seeds:
            changed = {**params.method, **SMALL, **VARIANTS[variant]}
            training = params.training.model_copy(update=BUDGET)
            own = params.model_copy(update={"seed": seed, "method": changed, "training": training})
            yield Outcome(variant, seed, _errors(task, own, prepared))


def _errors(task: Task, params: RunParams, prepared: Prepared) -> tuple[float, ...]:
    with TemporaryDirectory() as folder:
        try:
            record = train_run(Stage(task, params, prepared, Path(folder) / "kept"), Path(folder) / "weights")
        except TrainingDiverged:
            return ()
    (training,) = record["trainings"].values()
    return tuple(entry["epe"] for entry in training["history"])


def zero_flow_error() -> float:
    """The mean end-point error in px of leaving the validation places as they are."""
    task, params = load_run(RUN)
    prepared = Prepared(PROJECT / "data/prepared" / RUN).of(params.split.folds()[0])
    score = validation_score(task, task.samples(prepared, "val", params), task.spec(params).primary)
    still = score(classical("zero-flow", method_options(params)))
    assert still is not None
    return still


def table(found: Sequence[Outcome], still: float) -> str:
    """One row a variant, as Markdown."""
    lines = [
        f"Zero flow: {still:.2f} px. {BUDGET['epochs'] * BUDGET['steps_per_epoch']} steps of {BUDGET['batch']} crops.",
        "",
        "| network | not converged | mean EPE of the seeds (px) | each seed |",
        "| --- | ---: | ---: | --- |",
    ]
    for variant in dict.fromkeys(each.variant for each in found):
        own = [each for each in found if each.variant == variant]
        last = [each.errors[-1] for each in own if each.errors]
        failed = sum(not each.converged(still) for each in own)
        listed = ", ".join(f"{each.errors[-1]:.2f}" if each.errors else "not finite" for each in own)
        mean = f"{np.mean(last):.2f} ± {np.std(last, ddof=1):.2f}" if len(last) > 1 else ""
        lines.append(f"| {variant} | {failed} of {len(own)} | {mean} | {listed} |")
    return "\n".join(lines)


def measure() -> list[dict[str, Any]]:
    """How many seeds of each variant converged; the errors of each are printed."""
    still, found = zero_flow_error(), []
    for each in outcomes(tuple(VARIANTS), range(SEEDS)):
        print(f"{each.variant}, seed {each.seed}: {[round(error, 2) for error in each.errors]}", flush=True)
        found.append(each)
    print(f"\n{table(found, still)}\n")
    steps = BUDGET["epochs"] * BUDGET["steps_per_epoch"]
    return [
        {"name": f"{name}, {steps} steps: seeds of {SEEDS} that converged", "limit": 0.0, "unit": "seeds"}
        | {"value": float(sum(each.converged(still) for each in found if each.variant == name))}
        for name in VARIANTS
    ]
