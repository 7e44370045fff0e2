"""Does loading keep up with training? The step rate of the loop's batches against the same batches held in memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from affine import Affine
from rasterio.crs import CRS

from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks import load_task
from components.tasks.chips import Chip, pack
from components.tasks.params import Fold, RunParams
from components.tasks.seam import Batch, Network
from components.training.batches import Order, batches

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
SIDE, CROP_PX, BATCH = 512, 96, 32
STEPS, ROUNDS = 3, 3
LEAST_RATIO = 0.85


def measure() -> list[dict[str, Any]]:
    """The ratio of step rates of FC-Siam-diff on crops of 96 x 96 x 10, batch 32: medians of paired rounds."""
    # One thread: several spin while they wait for each other, which on a busy machine measures the machine.
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        network, load = _training(Path(folder))
        step = _stepper(network)
        start = time.process_time()
        held = list(load(range(2)))
        loading_s = (time.process_time() - start) / len(held)
        step(held[0])  # the first step allocates
        start = time.process_time()
        step(held[1])
        step_s = time.process_time() - start
        pairs = [  # in turn, so that a busy machine slows both
            (_rate(step, (held[number % 2] for number in range(STEPS))), _rate(step, load(range(STEPS))))
            for _ in range(ROUNDS)
        ]
        gc.collect()
    ratio = median(loaded / held for held, loaded in pairs)
    return [
        {"name": "training: step rate from shards / in memory", "value": ratio, "limit": LEAST_RATIO, "unit": "ratio"},
        {
            "name": "training: CPU time of loading / of a step",
            "value": loading_s / step_s,
            "limit": 1 - LEAST_RATIO,  # so it would hold even without a core to load on
            "unit": "ratio",
            "less_is_better": True,
        },
    ]


def _training(folder: Path) -> tuple[Network, Callable[[range], Iterator[Batch]]]:
    task, params = load_task("change"), _params()
    prepared = pack(_chips(), folder).of(Fold("all", frozenset("ab"), frozenset("ab"), frozenset("ab")))
    candidate, train = task.methods(params).candidate, task.samples(prepared, "train", params)
    assert isinstance(candidate, Network)
    network = candidate.prepared_for(train)
    order = Order(len(train), BATCH, seed=0)
    return network, lambda steps: batches(train, network.collate, order, steps)


def _stepper(network: Network) -> Callable[[Batch], None]:
    optimizer = torch.optim.Adam(network.module.parameters(), lr=1e-3)
    network.module.train()

    def step(batch: Batch) -> None:
        torch.autograd.backward(torch.stack(list(network.losses(network.module, batch).values())).sum())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _rate(step: Callable[[Batch], None], loaded: Iterable[Batch]) -> float:
    start, steps = time.perf_counter(), 0
    with closing(loaded):  # type: ignore[type-var]
        for batch in loaded:
            step(batch)
            steps += 1
    return steps / (time.perf_counter() - start)


def _chips() -> Iterator[Chip]:
    rng = np.random.default_rng(0)
    for number, place in enumerate("ab"):
        grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 4e5 + 2e4 * number, 0, -10, 5e6), (SIDE, SIDE))
        before, after = (
            Scene(rng.random((len(BANDS), SIDE, SIDE), "float32"), grid, BANDS, "reflectance", float("nan"))
            for _ in range(2)
        )
        codes = (rng.random((1, SIDE, SIDE)) > 0.9).astype("uint8")
        mask = Scene(codes, grid, ("change",), "class", 255)
        yield Chip(place, place, place, grid.window, {"before": before, "after": after}, {"change": mask})


def _params() -> RunParams:
    return RunParams.model_validate(
        {
            "task": "change",
            "dataset": "benchmark",
            "description": "crops of random pixels",
            "split": {"kind": "places", "train": ["a"], "val": ["b"], "test": []},
            "method": {"name": "fc-siam-diff", "bands": list(BANDS), "crop_px": CROP_PX},
        }
    )


if __name__ == "__main__":
    for row in measure():
        print(row)
