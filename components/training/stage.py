"""From prepared chips to learnt numbers: every fold of a run, then the weights that are released."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from components.errors import NotEnoughData
from components.inference.method import Method
from components.inference.tiled import predict
from components.raster.atomic import write_text
from components.tasks.bundle import RELEASED, save_state
from components.tasks.chips import Prepared
from components.tasks.params import Fold, RunParams
from components.tasks.seam import Fitted, Metric, Network, Samples, Task
from components.training.checkpoint import seed_everything
from components.training.loop import Score, Setting, Trained, fit
from components.training.progress import shown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One run on its prepared chips, with the folder in which interrupted trainings are kept."""

    task: Task
    params: RunParams
    prepared: Prepared
    checkpoints: Path

    def candidate(self) -> Method:
        """The untrained candidate; its first weights follow from the seed alone."""
        seed_everything(self.params.seed)
        return self.task.methods(self.params).candidate


def train_run(stage: Stage, folder: Path) -> Mapping[str, Any]:
    """Everything a run learns, written to ``folder`` in one step; the content of its ``training.json`` comes back.

    A split of one fold releases the weights of that fold. Of several, each is trained for its own test places
    and the released weights on all places, as long as the median fold took to its best epoch.

    Raises:
        Interrupted: after saving; the same call goes on from there.
        NotEnoughData: if a split is empty.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        trained = _all_trained(stage)
        for name, result in trained.items():
            save_state(partial, name, result.state, result.preprocessing)
        record = _record(stage, trained)
        write_text(partial / "training.json", f"{json.dumps(record, sort_keys=True, indent=1)}\n")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def validation_score(task: Task, val: Samples, metric: Metric) -> Score:
    """The deciding number of a network on the validation split, as the evaluation would compute it."""

    def score(network: Network) -> float | None:
        samples = (val[index] for index in range(len(val)))
        rows = [row for sample in samples for row in task.measure(sample, predict(network, sample.inputs))]
        return task.summarise(rows)[metric.name]

    return score


def _all_trained(stage: Stage) -> dict[str, Trained]:
    """Learnt numbers by the name they are saved under; empty for a method that learns nothing."""
    if not isinstance(stage.candidate(), Network | Fitted):
        return {}
    folds = stage.params.split.folds()
    if len(folds) == 1:
        return {RELEASED: _learn(stage, RELEASED, folds[0], None)}
    trained = {fold.name: _learn(stage, fold.name, fold, None) for fold in folds}
    places = frozenset(stage.prepared.index["place"])
    epochs = round(median(result.best_epoch for result in trained.values()))
    return trained | {RELEASED: _learn(stage, RELEASED, Fold(RELEASED, places, places, frozenset()), epochs)}


def _learn(stage: Stage, name: str, fold: Fold, epochs: int | None) -> Trained:
    """One training; with ``epochs`` for that long and without looking at a validation score."""
    task, params, chips = stage.task, stage.params, stage.prepared.of(fold)
    method = stage.candidate()
    train, val = task.samples(chips, "train", params), task.samples(chips, "val", params)
    if min(len(train), len(val)) < 1:
        raise NotEnoughData(f"{name}: the training or the validation split is empty; see the run's split")
    if isinstance(method, Fitted):
        state, preprocessing = method.fit(train, val)
        return Trained(state, preprocessing)
    assert isinstance(method, Network)
    metric = task.spec(params).primary
    score = validation_score(task, val, metric) if epochs is None else None
    training = params.training if epochs is None else params.training.model_copy(update={"epochs": epochs})
    with shown(name) as progress:
        setting = Setting(params.seed, stage.checkpoints / name, progress)
        return fit(method.prepared_for(train), train, training, setting, score, metric)


def _record(stage: Stage, trained: Mapping[str, Trained]) -> dict[str, Any]:
    """What happened, without clock times: the same training gives the same record."""
    training = stage.params.training
    released = trained.get(RELEASED)
    return {
        "seed": stage.params.seed,
        "threads": training.threads,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "prepared": stage.prepared.digest,
        "learnt_numbers": sum(array.size for array in released.state.values()) if released else 0,
        "trainings": {
            name: {"best_epoch": result.best_epoch, "history": list(result.history)} for name, result in trained.items()
        },
    }
