"""How well methods on radar series do where the truth is known: on the sandbox and on real pairs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter
from scipy.optimize import brentq
from scipy.special import polygamma

from components.inference.method import Method
from components.inference.tiled import predict
from components.metrics.classification import Counts
from components.raster.dataset import read_sources
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Scene, Stack
from components.simulation.change_series import CHANGES, FIELD, POINT, WATER
from components.simulation.radar_series import STABLE
from components.tasks import load_run
from components.tasks.bundle import restore
from components.tasks.change.log_ratio import LogRatio
from components.tasks.change.omnibus import stability
from components.tasks.change.pair import AFTER, BEFORE, CHANGE, PROBABILITY, pair_of
from components.tasks.change.reactiv import SERIES
from components.tasks.change.scoring import KIND
from components.tasks.chips import Prepared, Split
from components.tasks.seam import Sample

PROJECT = Path(__file__).resolve().parents[1]
PREPARED = PROJECT / "data" / "prepared" / "change-sar"
RAW = PROJECT / "data" / "sources" / "sandbox-sar-change" / "raw"
REAL = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data")) / "change_sar"
PAIRS = ("bern", "yellow_A", "yellow_B")
RULES = ("otsu", "kittler-illingworth", "kittler-illingworth-half-normal")
RATES = (0.01, 0.02, 0.05)
UNCHANGED = {"field": FIELD, "water": WATER, "bright point": POINT}
KINDS = {**CHANGES, **{f"{name} (no change)": code for name, code in UNCHANGED.items()}}
CONTRASTS_DB, AREAS_PX = (0, 2, 4, 6, 8, 99), (0, 4, 9, 25, 100, 10_000)
GRADE_RATE = 0.02  # of alarms on stable ground, at which shares by contrast and size are counted
LEARNT = "change-sar-learnt"
Map = NDArray[Any]


def detection(prepared: Path, split: Split, weights: Path | None) -> str:
    """Share of each kind, contrast and size that is found at rates of alarms on stable ground, and how onsets are off.

    Masks take out fields as the runs do, of every alarm at 5 %; onsets are those of the runs' own rates.
    """
    task, params = load_run(LEARNT)
    chips = Prepared(prepared).of(params.split.folds()[0])
    samples = [Sample(c.id, c.place, c.inputs, c.targets) for c in map(chips.chip, chips.ids(split))]
    kind = np.concatenate([_scene(sample.targets[KIND]).array[0].ravel() for sample in samples])
    grades = [np.concatenate(each) for each in zip(*(_grades(sample) for sample in samples), strict=True)]
    own = dict(task.methods(params).baselines)
    if weights is not None:
        own["statistics-network"] = restore(task, params, weights, "fixed")
    lines, graded = [], []
    for name, method in own.items():
        score = np.concatenate([_score(method, sample).ravel() for sample in samples])
        limits = {rate: float(np.quantile(score[kind == STABLE], 1 - rate)) for rate in RATES}
        found = [_share(score[kind == code] > limit) for code in KINDS.values() for limit in limits.values()]
        rows = [row for sample in samples for row in task.measure(sample, predict(method, sample.inputs))]
        scores = task.summarise(rows)
        dated = [_text(scores.get(key)) for key in ("f1", "date_error_days", "dated_within_error")]
        lines.append([name, *found, *dated])
        hit = score > limits[GRADE_RATE]
        graded.append([name, *(_share(hit[where]) for where in _bins(grades))])
    head = ["method", *(f"{name} {rate:.0%}" for name in KINDS for rate in RATES)]
    kinds = table([*head, "F1 at own rate", "onset error, days", "within stated error"], lines)
    return f"{kinds}\n\nShare of changed pixels found, alarms {GRADE_RATE:.0%}:\n\n{table(_bin_names(), graded)}"


def _grades(sample: Sample) -> tuple[Map, Map]:
    """Contrast in VV, decibels without sign, and pixels of the patch it belongs to, both flat; 0 where no change is."""
    (source,) = (each for each in read_sources(RAW) if each.id == sample.id)
    contrast = np.abs(read_scene(source.files["contrast"]).array[0])
    pieces, _ = label(contrast > 0, np.ones((3, 3)))
    area = np.bincount(pieces.ravel())[pieces] * (contrast > 0)
    return contrast.ravel(), area.ravel()


def _bins(grades: list[Map]) -> list[Map]:
    """Which pixels lie in each bin of contrast, then of size."""
    pairs = zip(grades, (CONTRASTS_DB, AREAS_PX), strict=True)
    return [(grade > low) & (grade <= high) for grade, edges in pairs for low, high in pairwise(edges)]


def _bin_names() -> list[str]:
    units = ((CONTRASTS_DB, "dB"), (AREAS_PX, "px"))
    names = [f"{low} to {high} {unit}" for edges, unit in units for low, high in pairwise(edges)]
    return ["method", *names]


def _share(found: Map) -> str:
    """The share of true values; nothing where there are none to find."""
    return f"{found.mean():.3f}" if found.size else ""


def _score(method: Method, sample: Sample) -> Map:
    """What a threshold is put on ``(row, col)``: certainty, or of the log-ratio its length."""
    if hasattr(method, "ratio"):
        stack = sample.inputs[SERIES]
        assert isinstance(stack, Stack)
        pair = {name: stack.scene(index) for name, index in ((BEFORE, 0), (AFTER, -1))}
        rule = replace(method.ratio, unit=stack.unit)
        return np.asarray(rule.length(pair_of(pair, stack.bands, stack.unit))[0])
    wide = replace(method, false_alarms=max(RATES)) if hasattr(method, "false_alarms") else method  # type: ignore[type-var]
    return _scene(predict(wide, sample.inputs)[PROBABILITY]).array[0]


def pairs() -> str:
    """Kappa of two-date methods on real pairs with truth; REACTIV needs five dates and has nothing to say."""
    lines = []
    scenes = {name: _pair(name) for name in PAIRS}
    for window in (1, 5):
        for rule in RULES:
            said = {
                n: LogRatio(("SAR",), "digital_number", rule, window, offset=1).predict(s)
                for n, (s, _) in scenes.items()
            }
            maps = {name: _scene(each[CHANGE]).array[0] == 1 for name, each in said.items()}
            lines.append([f"log-ratio, {rule}, {window} px", *(_kappa(scenes[n][1], maps[n]) for n in PAIRS)])
        for rate in (0.01, 1e-4):
            maps = {name: two_dates(given, window, rate) for name, (given, _) in scenes.items()}
            lines.append([f"omnibus at {rate:g}, {window} px", *(_kappa(scenes[n][1], maps[n]) for n in PAIRS)])
    return table(["kappa", *PAIRS], lines)


def two_dates(scenes: Mapping[str, Scene], window_px: int, rate: float) -> Map:
    """The omnibus test of two dates, pictures taken as amplitude + 1, its looks from how the log-ratio spreads."""
    means = [uniform_filter(np.square(scene.array[0].astype(float) + 1), window_px) for scene in scenes.values()]
    spread = np.diff(np.quantile(np.log(means[1] / means[0]), (0.25, 0.75)))[0] / 1.349
    looks = float(brentq(lambda n: 2 * polygamma(1, n) - max(spread, 1e-2) ** 2, 0.05, 1e5))
    grid = next(iter(scenes.values())).grid
    dates = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    stack = Stack(np.array(means, np.float32)[:, None], grid, ("SAR",), "intensity", dates, float("nan"))
    return stability(stack, (looks,)) < rate


def _pair(name: str) -> tuple[dict[str, Scene], Map]:
    pictures = []
    for which in ("1", "2", "gt"):
        with rasterio.open(REAL / "pairs" / f"{name}_{which}.bmp") as dataset:
            pictures.append(dataset.read(1))
    grid = Grid(None, Affine.identity(), pictures[0].shape)
    dates = (Scene(each[None].astype(np.float32), grid, ("SAR",), "digital_number") for each in pictures[:2])
    return dict(zip((BEFORE, AFTER), dates, strict=True)), pictures[2] > 127


def _kappa(truth: Map, said: Map) -> str:
    return _text(Counts.of(truth, said).scores()["kappa"])


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "a raster was asked for"
    return value


def table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown, the first column left."""
    rule = "| --- |" + " ---: |" * (len(head) - 1)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])
