"""Rows of every method on the test places of every fold, each place predicted by numbers that never saw it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from components.errors import NotEnoughData
from components.inference.method import Method, Outputs
from components.inference.tiled import predict
from components.raster.scene import Features
from components.tasks.bundle import restore
from components.tasks.chips import Prepared
from components.tasks.params import Fold, RunParams
from components.tasks.seam import Fitted, Row, Sample, Samples, Task

CANDIDATE = "candidate"


@dataclass(frozen=True)
class Job:
    """A run on its prepared chips, with the folder of its learnt numbers."""

    task: Task
    params: RunParams
    prepared: Prepared
    weights: Path


@dataclass(frozen=True)
class Prediction:
    """What one method said of one test sample, and how long it took."""

    method: str
    fold: Fold
    sample: Sample
    outputs: Outputs
    seconds: float


@dataclass(frozen=True)
class Scored:
    """Rows of each method (the same on every machine) and its seconds per megapixel (not so)."""

    rows: Mapping[str, tuple[Row, ...]]
    seconds_per_megapixel: Mapping[str, float] = field(default_factory=dict)


Watch = Callable[[Prediction, int, int], None]  # a prediction, samples done, samples in all


def score(job: Job, *, only: str | None = None, watch: Watch | None = None) -> Scored:
    """Rows of candidate, baselines and controls (or ``only`` of one of them) on the test samples of every fold.

    ``watch`` sees every prediction before it is dropped: for progress and pictures.

    Raises:
        NotEnoughData: if a fold has no test sample.
        UnknownName: if the weights of a fold are missing.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    megapixels: dict[str, float] = defaultdict(float)
    for prediction, done, total in _predictions(job, only):
        rows[prediction.method] += job.task.measure(prediction.sample, prediction.outputs)
        seconds[prediction.method] += prediction.seconds
        megapixels[prediction.method] += megapixels_of(prediction.sample)
        if watch:
            watch(prediction, done, total)
    speed = {name: seconds[name] / size for name, size in megapixels.items() if size}
    return Scored({name: tuple(each) for name, each in rows.items()}, speed)


def methods_of(job: Job, fold: Fold, only: str | None = None) -> dict[str, Method]:
    """All methods of a run by name (or ``only`` one), with numbers learnt without the fold's test places.

    Classical methods that are fitted are fitted here, on the fold's training samples.

    Raises:
        UnknownName: if the weights of the fold are missing.
    """
    chips, ready = job.prepared.of(fold), {}
    for name, method in job.task.methods(job.params).named().items():
        if only not in (None, name):
            continue
        if name == CANDIDATE:
            ready[name] = restore(job.task, job.params, job.weights, fold.name)
        elif isinstance(method, Fitted):
            train, val = (job.task.samples(chips, split, job.params) for split in ("train", "val"))
            ready[name] = method.restored(*method.fit(train, val))
        else:
            ready[name] = method
    return ready


def megapixels_of(sample: Sample) -> float:
    """Size of the first raster input in 10^6 pixels; 0 where there is none."""
    for value in sample.inputs.values():
        if not isinstance(value, Features):
            return value.grid.shape[0] * value.grid.shape[1] / 1e6
    return 0.0


def _predictions(job: Job, only: str | None) -> Iterator[tuple[Prediction, int, int]]:
    """Every prediction with the number of samples done and in all; fold by fold, sample by sample."""
    splits = [(fold, _test_samples(job, fold)) for fold in job.params.split.folds()]
    total, done = sum(len(samples) for _, samples in splits), 0
    for fold, samples in splits:
        methods = methods_of(job, fold, only)
        for index in range(len(samples)):
            sample = samples[index]
            done += 1
            for name, method in methods.items():
                yield _predicted(job, name, method, fold, sample), done, total


def _test_samples(job: Job, fold: Fold) -> Samples:
    samples = job.task.samples(job.prepared.of(fold), "test", job.params)
    if not len(samples):
        raise NotEnoughData(f"fold {fold.name} has no test sample; see the run's split")
    return samples


def _predicted(job: Job, name: str, method: Method, fold: Fold, sample: Sample) -> Prediction:
    begun = perf_counter()
    outputs = predict(method, sample.inputs, tile_px=job.params.evaluation.tile_px)
    return Prediction(name, fold, sample, outputs, perf_counter() - begun)
