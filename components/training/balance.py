"""How several named losses become the one number that is minimised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from components.errors import BadParams
from components.tasks.params import TrainParams
from components.tasks.seam import MultiTask, Network


class Balance(Protocol):
    """Weighs losses; its state is part of the checkpoint."""

    weights: dict[str, float]

    def weigh(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total to be minimised, a scalar."""
        ...

    def state(self) -> dict[str, dict[str, float]]:
        """What must be kept to go on."""
        ...

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Goes on from a kept state."""
        ...


class Sum:
    """Every loss counts as the network states it."""

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}

    def weigh(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The sum of the losses."""
        return torch.stack(list(losses.values())).sum()

    def state(self) -> dict[str, dict[str, float]]:
        """Nothing is learnt."""
        return {}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Nothing to do."""


class GradNorm:
    """Weights that let all losses train at one rate; they sum to the number of losses.

    Chen et al. 2018, GradNorm, https://arxiv.org/abs/1711.02257: the gradient norm of each weighted loss at
    the last shared layer, ``G_i = ||grad (w_i L_i)||``, is pulled towards ``mean(G) r_i^alpha``, where ``r_i`` is
    the loss relative to its first value, divided by the mean of that over all losses. We change: the steps
    are taken on the logarithm of the weights and divided by ``mean(G)``, so that weights stay positive and the unit
    of a loss (metres, nats) sets neither their length nor how far the weights can go.
    """

    def __init__(self, shared: Sequence[Tensor], alpha: float = 1.5, lr: float = 0.025) -> None:
        self.weights: dict[str, float] = {}
        self._first: dict[str, float] = {}
        self._shared, self._alpha, self._lr = list(shared), alpha, lr

    def weigh(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum, after the weights have followed the gradients of this step.

        Raises:
            ValueError: if the names of the losses change between steps.
        """
        if not self.weights:
            self.weights = dict.fromkeys(losses, 1.0)
            self._first = {name: max(float(loss.detach()), 1e-12) for name, loss in losses.items()}
        if losses.keys() != self.weights.keys():
            raise ValueError(f"losses {sorted(losses)} are not those of the first step, {sorted(self.weights)}")
        self._follow(losses, {name: self._gradient_norm(loss) for name, loss in losses.items()})
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()

    def state(self) -> dict[str, dict[str, float]]:
        """Weights and first losses."""
        return {"weights": dict(self.weights), "first": dict(self._first)}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Goes on with kept weights and first losses."""
        self.weights, self._first = dict(state["weights"]), dict(state["first"])

    def _gradient_norm(self, loss: Tensor) -> float:
        gradients = torch.autograd.grad(loss, self._shared, retain_graph=True, allow_unused=True)
        return math.sqrt(sum(float(part.double().pow(2).sum()) for part in gradients if part is not None))

    def _follow(self, losses: Mapping[str, Tensor], norms: Mapping[str, float]) -> None:
        count = len(losses)
        weighted = {name: self.weights[name] * norms[name] for name in losses}
        mean = sum(weighted.values()) / count
        if mean <= 0:  # nothing to balance at a stationary point
            return
        left = {name: float(loss.detach()) / self._first[name] for name, loss in losses.items()}
        rate = {name: left[name] / max(sum(left.values()) / count, 1e-12) for name in losses}
        for name in losses:
            # d|G_i - target_i| / d log w_i = sign(G_i - target_i) * G_i, the target held fixed
            excess = weighted[name] - mean * max(rate[name], 0.0) ** self._alpha
            self.weights[name] *= math.exp(-self._lr * weighted[name] / mean * ((excess > 0) - (excess < 0)))
        total = sum(self.weights.values())
        self.weights = {name: weight * count / total for name, weight in self.weights.items()}


def balance_of(network: Network, params: TrainParams) -> Balance:
    """The balance that the parameters ask for.

    Raises:
        BadParams: if GradNorm is asked for a network that names no shared layer.
    """
    if params.balance == "sum":
        return Sum()
    if not isinstance(network, MultiTask):
        raise BadParams("training.balance", "gradnorm needs a method with a shared_layer; use sum")
    return GradNorm(list(network.shared_layer(network.module).parameters()), params.gradnorm_alpha)
