"""The training loop, readable from top to bottom."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from components.errors import Interrupted, TrainingDiverged
from components.tasks.bundle import module_state
from components.tasks.params import TrainParams
from components.tasks.seam import Metric, Network, Samples, State
from components.training.balance import balance_of
from components.training.batches import Order, batches
from components.training.checkpoint import Course, load_checkpoint, save_checkpoint, seed_everything
from components.training.interruption import Stop, stop_on_signal
from components.training.progress import Lines, Progress

Score = Callable[[Network], float | None]  # the deciding number on the validation split; None: undefined


@dataclass(frozen=True)
class Trained:
    """What a training gives: learnt arrays, preprocessing, one history entry an epoch.

    ``best_epoch`` is the number of epochs after which the weights were reached.
    """

    state: State
    preprocessing: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...] = ()
    best_epoch: int = 0


@dataclass(frozen=True)
class Setting:
    """Where and how reproducibly a training runs: seed, checkpoints, and who is told of it."""

    seed: int
    checkpoints: Path
    progress: Progress = field(default_factory=lambda: Lines("training"))


def fit(
    network: Network, train: Samples, params: TrainParams, setting: Setting, score: Score | None, metric: Metric
) -> Trained:
    """The network trained with Adam and an exponentially decaying rate.

    With a ``score`` the weights of the best epoch are kept and training ends after ``params.patience`` epochs
    without a better one; without it, or where it is never defined, the last weights are kept. Goes on from a
    checkpoint in ``setting.checkpoints`` where there is one: on a CPU with the same capability and number of
    threads the weights are bit-equal to those of an uninterrupted training.

    Raises:
        Interrupted: on SIGTERM or SIGINT, after the running step is finished and saved.
        TrainingDiverged: if a loss is not finite.
        NotEnoughData: if there is no sample.
    """
    with _exact_arithmetic(params.threads), stop_on_signal() as stop:
        seed_everything(setting.seed)
        loop = _Loop(network, params, setting, stop)
        while not loop.course.ended(params.epochs, params.patience):
            loop.train_epoch(train)
            loop.finish_epoch(score, metric)
            loop.save()
        return loop.trained()


class _Loop:
    """The moving parts of one training: module, optimiser, balance and how far they have come."""

    def __init__(self, network: Network, params: TrainParams, setting: Setting, stop: Stop) -> None:
        self.network, self.params, self.setting, self.stop = network, params, setting, stop
        self.fabric = Fabric(devices=params.devices, num_nodes=params.num_nodes, precision=_precision(params.precision))
        self.fabric.launch()
        network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # a fifth to a half faster
        adam = torch.optim.Adam(network.module.parameters(), lr=params.lr, weight_decay=params.weight_decay)
        self.module, self.optimizer = self.fabric.setup(network.module, adam)
        self.balance = balance_of(network, params)
        self.course = Course()
        self._resume()

    def train_epoch(self, train: Samples) -> None:
        """The remaining steps of the running epoch."""
        course, params = self.course, self.params
        order = Order(len(train), params.batch, self.setting.seed, self.fabric.global_rank, self.fabric.world_size)
        first = course.epoch * params.steps_per_epoch
        steps = range(first + course.step, first + params.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = params.lr * params.lr_decay**course.epoch
        self.network.module.train()
        with closing(batches(train, self.network.collate, order, steps)) as loaded:
            for batch in loaded:
                self._step(batch)
                self.setting.progress.step(first + course.step, params.epochs * params.steps_per_epoch)
                if self.stop.signal:
                    self.save()
                    raise Interrupted(self.stop.signal, self.setting.checkpoints)

    def _step(self, batch: Mapping[str, Any]) -> None:
        losses = self.network.losses(self.module, self.fabric.to_device(batch))
        self.fabric.backward(self.balance.weigh(losses))
        self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=self.params.clip_norm, error_if_nonfinite=False
        )  # a step that overflows in 16 bits is skipped by the scaler; a loss that is not finite is named below
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for name, loss in losses.items():
            self.course.sums[name] = self.course.sums.get(name, 0.0) + loss.detach()
        self.course.step += 1

    def finish_epoch(self, score: Score | None, metric: Metric) -> None:
        """The epoch scored and recorded; its weights kept if they are the best so far."""
        course = self.course
        losses = {name: float(total) / course.step for name, total in course.sums.items()}
        broken = [name for name, loss in losses.items() if not np.isfinite(loss)]
        course.epoch, course.step, course.sums = course.epoch + 1, 0, {}
        if broken:
            raise TrainingDiverged(course.epoch * self.params.steps_per_epoch, broken)
        reached = self._score(score)
        entry: dict[str, Any] = {"epoch": course.epoch, "losses": losses, metric.name: reached}
        course.history.append(entry | ({"weights": dict(self.balance.weights)} if self.balance.weights else {}))
        better = course.best_score is None or (reached is not None and metric.gain(reached, course.best_score) > 0)
        if better:  # an undefined score never beats a defined one, and the last weights stand where there is none
            course.best_epoch, course.best_score = course.epoch, reached
            course.best = deepcopy(self.network.module.state_dict())
        shown = "undefined" if reached is None else f"{reached:.4f}"
        self.setting.progress.epoch(
            f"epoch {course.epoch}/{self.params.epochs} loss {sum(losses.values()):.4f} {metric.name} {shown}"
        )

    def _score(self, score: Score | None) -> float | None:
        if score is None:
            return None
        self.network.module.eval()
        with torch.inference_mode():
            reached = score(self.network)
        return reached if reached is not None and np.isfinite(reached) else None

    def save(self) -> None:
        """A checkpoint of everything, by the first process alone."""
        if self.fabric.is_global_zero:
            parts = {
                "module": self.network.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "balance": self.balance.state(),
            }
            save_checkpoint(self.setting.checkpoints, self.course, parts)
        self.fabric.barrier()

    def _resume(self) -> None:
        found = load_checkpoint(self.setting.checkpoints)
        if found is None:
            return
        self.course, parts = found
        self.course.sums = {name: self.fabric.to_device(total) for name, total in self.course.sums.items()}
        self.network.module.load_state_dict(parts["module"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.fabric.strategy.precision.load_state_dict(parts["precision"])
        if parts["balance"]:
            self.balance.restore(parts["balance"])

    def trained(self) -> Trained:
        """The best weights, as arrays."""
        self.network.module.load_state_dict(self.course.best)
        self.network.module.eval()
        return Trained(
            module_state(self.network.module),
            self.network.preprocessing,
            tuple(self.course.history),
            self.course.best_epoch,
        )


def _precision(wanted: str) -> Any:  # noqa: ANN401 - Fabric's own literal
    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


@contextmanager
def _exact_arithmetic(threads: int) -> Iterator[None]:
    """The same inputs give the same bits for the length of the block; a GPU operation that cannot only warns."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warn_only)
