"""What a prediction costs, measured: seconds and memory of one megapixel. Never part of a report that is compared."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import torch

from components.evaluation.evidence import Cost
from components.evaluation.scoring import CANDIDATE, Scored
from components.inference.method import Method
from components.inference.tiled import predict
from components.raster.scene import Features, Value
from components.tasks.seam import Sample

SIDE_PX = 1024  # one megapixel (1.05), whatever the size of the test scenes
REPEATS = 3
POLL_S = 0.002


def measure(method: Method, sample: Sample, tile_px: int) -> Cost:
    """Median seconds and peak memory above the idle process, for a megapixel made by repeating the sample's pixels.

    One prediction before the clock starts warms caches and thread pools.
    """
    inputs = {name: repeated(value, SIDE_PX) for name, value in sample.inputs.items()}
    predict(method, sample.inputs, tile_px=tile_px)
    seconds, memory = [], 0.0
    for _ in range(REPEATS):
        with _peak_memory_mb() as peak:
            begun = perf_counter()
            predict(method, inputs, tile_px=tile_px)
            seconds.append(perf_counter() - begun)
        memory = max(memory, peak[0])
    if torch.cuda.is_available():  # beside the host's memory, and the scarcer of the two
        memory = max(memory, torch.cuda.max_memory_allocated() / 1e6)
    return Cost(median(seconds) / (SIDE_PX**2 / 1e6), memory)


def repeated(value: Value, side_px: int) -> Value:
    """A raster of ``side_px`` squared with the pixels of ``value`` laid side by side; features as they are."""
    if isinstance(value, Features):
        return value
    shape = value.grid.shape
    times = [-(-side_px // length) for length in shape]
    array = np.tile(value.array, (*(1 for _ in value.array.shape[:-2]), *times))[..., :side_px, :side_px]
    return replace(value, array=np.ascontiguousarray(array), grid=replace(value.grid, shape=(side_px, side_px)))


def timings(run: str, scored: Scored, cost: Cost) -> dict[str, Any]:
    """The content of `data/timings/<run>.json`: the candidate's budget numbers, all methods' speed, the machine."""
    return {
        "run": run,
        CANDIDATE: {name: round(number, 4) for name, number in asdict(cost).items()},
        "test_scenes_seconds_per_megapixel": {n: round(s, 4) for n, s in sorted(scored.seconds_per_megapixel.items())},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        },
    }


def cost_in(content: Mapping[str, Any]) -> Cost:
    """The candidate's cost in the content of a timings file."""
    return Cost(**content[CANDIDATE])


@contextmanager
def _peak_memory_mb() -> Iterator[list[float]]:
    """A list whose one number is, afterwards, the highest resident memory above that at the start (10^6 bytes).

    What earlier work has freed and glibc still holds is given back first: a method that takes it again would
    otherwise seem to need nothing.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    process, over, peak = psutil.Process(), threading.Event(), [0.0]
    before = process.memory_info().rss

    def watch() -> None:
        while not over.wait(POLL_S):
            peak[0] = max(peak[0], (process.memory_info().rss - before) / 1e6)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
        peak[0] = max(peak[0], (process.memory_info().rss - before) / 1e6)
