"""What each co-registration network costs: megapixels and steps a second, shares of loading and of the cost volumes.

One CPU thread, crops of the sandbox as the run `coregistration-s1s2` draws them, but for one width for all networks.
Seconds are those of the processor, so that a busy machine does not count. The cost volumes of a step are timed alone,
forwards and backwards, on tensors of the shapes that the step asks for. The issue sets no limit for any of this.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor

from components.inference.tiled import predict_whole
from components.simulation.radar_optical import radar_optical
from components.tasks.chips import Chip, Prepared, pack
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.families import FAMILIES
from components.tasks.coregistration.networks import FlowNetwork
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.samples import samples_of
from components.tasks.params import Fold
from components.training.batches import Order, batches
from models.correlation import correlation

PLACES, SIDE = (101, 102, 103), 320
BATCH, ROUNDS = 4, 3
LARGE = 1024
OPTIONS = {
    "reference": {"sensor": "sentinel-1", "bands": ["VV", "VH"], "unit": "intensity"},
    "moving": {"sensor": "sentinel-2", "bands": ["B02", "B03", "B04", "B08"], "unit": "reflectance"},
    "view": "structure",
    "width": 0.5,
    "iterations": 2,
    "crop_px": 128,
    "randomise": 0.3,
}
NEEDED = {"learnt-templates": {"view": "both", "templates": {"cell": 2}}}


class Call(NamedTuple):
    """One cost volume of a step: the shape of the features, and how far it reaches."""

    shape: tuple[int, ...]
    reach: int


def measure() -> list[dict[str, Any]]:
    """Four rows a network; a network without a cost volume has three."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        prepared = _prepared(Path(folder))
        return [row for name in FAMILIES for row in _rows(name, prepared)]


def _rows(name: str, prepared: Prepared) -> Iterator[dict[str, Any]]:
    options = MethodOptions.model_validate({"name": name, **OPTIONS, **NEEDED.get(name, {})})
    torch.manual_seed(0)
    network, train = network_of(options), samples_of(prepared, "train", options, 0)
    network.module.to(memory_format=torch.channels_last).train()
    order = Order(len(train), BATCH, seed=0)
    loading_s, held = _timed(lambda: list(batches(train, network.collate, order, range(ROUNDS))))
    with _recorded() as calls:
        _step(network, held[0])  # the first step allocates
    step_s = median(_timed(partial(_step, network, batch))[0] for batch in held)
    volume_s = sum(median(_timed(partial(_volume, call))[0] for _ in range(ROUNDS)) for call in calls)
    label = f"training of {name}, one core, {BATCH} crops of 128 px"
    yield {"name": f"{label}: steps", "value": 1 / step_s, "unit": "1/s"}
    yield {"name": f"{label}: loading / step", "value": loading_s / ROUNDS / step_s, "unit": "ratio"}
    yield {"name": f"co-registration of {LARGE} x {LARGE}, one core, {name}", "value": _speed(network), "unit": "Mpx/s"}
    if calls:
        yield {"name": f"{label}: cost volumes / step", "value": volume_s / step_s, "unit": "ratio"}


def _speed(network: FlowNetwork) -> float:
    """Megapixels a second of a scene in one piece, what comes before and after the network included."""
    pair = radar_optical(PLACES[0], (LARGE, LARGE))
    scenes = {"reference": pair.reference, "moving": pair.moving.select(tuple(OPTIONS["moving"]["bands"]))}
    return float(LARGE**2 / 1e6 / _timed(partial(predict_whole, network, scenes))[0])


def _step(network: FlowNetwork, batch: Any) -> None:  # noqa: ANN401 - tensors by name
    network.module.zero_grad(set_to_none=True)
    torch.autograd.backward(torch.stack(list(network.losses(network.module, batch).values())).sum())


@contextmanager
def _recorded() -> Iterator[list[Call]]:
    """The cost volumes that are asked for meanwhile."""
    calls: list[Call] = []

    def watched(first: Tensor, second: Tensor, reach: int) -> Tensor:
        calls.append(Call(tuple(first.shape), reach))
        return correlation(first, second, reach)

    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("models.") and getattr(module, "correlation", None) is correlation:
                stack.enter_context(patch.object(module, "correlation", watched))
        yield calls


def _volume(call: Call) -> None:
    first, second = (torch.rand(call.shape, requires_grad=True) for _ in range(2))
    correlation(first, second, call.reach).sum().backward()


def _timed(what: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = what()
    return time.process_time() - start, found


def _prepared(folder: Path) -> Prepared:
    def chips() -> Iterator[Chip]:
        for seed in PLACES:
            pair = radar_optical(seed, (SIDE, SIDE))
            moving = pair.moving.select(tuple(OPTIONS["moving"]["bands"]))
            scenes = {"reference": pair.reference, "moving": moving, "height": pair.height}
            yield Chip(str(seed), str(seed), str(seed), moving.grid.window, scenes)

    everywhere = frozenset(map(str, PLACES))
    return pack(chips(), folder).of(Fold("all", everywhere, everywhere, everywhere))


if __name__ == "__main__":
    for row in measure():
        print(row)
