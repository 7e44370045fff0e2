"""Whether a short training of PWC-Net ends well for every seed: `python -m benchmarks repeatability`, a long one.

Both variants are trained with five seeds as their runs declare them, but shorter (prepare both runs first: `dvc repro
prepare-coregistration-pwcnet prepare-coregistration-pwcnet-multimodal`), and scored on the validation places; test
places are not touched. A training counts as diverged where its error at the end is not finite, or above that of leaving
everything where it is. The seed also draws the flows of the validation places, so every seed has an error of zero flow
of its own. The networks begin at matched windows, hence below it: a training can lose that, and each seed is shown.
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
SEEDS = 5
VARIANTS = {"PWC-Net": "coregistration-pwcnet", "PWC-Net-multimodal": "coregistration-pwcnet-multimodal"}
BUDGET: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 50, "batch": 2, "lr_decay": 0.3, "patience": 2}


@dataclass(frozen=True)
class Outcome:
    """The validation error in px of one seed after each epoch, empty where a loss was not finite; that of zero flow."""

    variant: str
    seed: int
    errors: tuple[float, ...]
    still: float

    @property
    def diverged(self) -> bool:
        """Whether the last error is above that of zero flow, or there is none."""
        return not self.errors or self.errors[-1] > self.still

    @property
    def share(self) -> float:
        """The last error as a share of that of zero flow."""
        return self.errors[-1] / self.still if self.errors else float("inf")


def outcomes(variants: Sequence[str], seeds: Sequence[int]) -> Iterator[Outcome]:
    """One training after the other."""
    for variant in variants:
        task, params = load_run(VARIANTS[variant])
        prepared = Prepared(PROJECT / "data/prepared" / VARIANTS[variant])
        training = params.training.model_copy(update=BUDGET)
        for seed in seeds:
            method = {**params.method, "refine": False}  # whether the network itself converges
            own = params.model_copy(update={"seed": seed, "training": training, "method": method})
            yield Outcome(variant, seed, _errors(task, own, prepared), _still(task, own, prepared))


def _errors(task: Task, params: RunParams, prepared: Prepared) -> tuple[float, ...]:
    with TemporaryDirectory() as folder:
        try:
            record = train_run(Stage(task, params, prepared, Path(folder) / "kept"), Path(folder) / "weights")
        except TrainingDiverged:
            return ()
    (training,) = record["trainings"].values()
    return tuple(entry["epe"] for entry in training["history"])


def _still(task: Task, params: RunParams, prepared: Prepared) -> float:
    """The mean end-point error in px of leaving the validation places as they are."""
    chips = prepared.of(params.split.folds()[0])
    score = validation_score(task, task.samples(chips, "val", params), task.spec(params).primary)
    still = score(classical("zero-flow", method_options(params)))
    assert still is not None
    return still


def table(found: Sequence[Outcome]) -> str:
    """One row a variant, as Markdown."""
    lines = [
        f"{BUDGET['epochs'] * BUDGET['steps_per_epoch']} steps of {BUDGET['batch']} crops.",
        "",
        "| network | diverged | error / error of zero flow | each seed |",
        "| --- | ---: | ---: | --- |",
    ]
    for variant in dict.fromkeys(each.variant for each in found):
        own = [each for each in found if each.variant == variant]
        shares = [each.share for each in own if each.errors]
        mean = f"{np.mean(shares):.2f} ± {np.std(shares, ddof=1):.2f}" if len(shares) > 1 else ""
        listed = ", ".join(f"{each.share:.2f}" if each.errors else "not finite" for each in own)
        lines.append(f"| {variant} | {sum(each.diverged for each in own)} of {len(own)} | {mean} | {listed} |")
    return "\n".join(lines)


def measure() -> list[dict[str, Any]]:
    """How many seeds of each variant diverged; the errors of each are printed."""
    found = []
    for each in outcomes(tuple(VARIANTS), range(SEEDS)):
        errors = [round(error, 2) for error in each.errors]
        print(f"{each.variant}, seed {each.seed}: {errors}, zero flow {each.still:.2f}", flush=True)
        found.append(each)
    print(f"\n{table(found)}\n")
    steps = BUDGET["epochs"] * BUDGET["steps_per_epoch"]
    return [
        {"name": f"{name}, {steps} steps: diverged, of {SEEDS} seeds", "unit": "seeds"}
        | {"value": float(sum(each.diverged for each in found if each.variant == name))}
        for name in VARIANTS
    ]
