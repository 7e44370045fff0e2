"""What annotation QA is worth: the score after the review of the worst suspects against that of random chips.

Sandbox places with 10 % of the chips wrongly labelled (flips, shifts, missing objects, labels of another date). A chip
that is reviewed gets its true label back. A per-pixel model learns from what the labels then are, and is scored on
other places with true labels. Draws the figure and writes the table of docs/label-noise.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from benchmarks._faults import KINDS, Faults, plant
from components.annotation.noise import estimate_noise
from components.annotation.noise_params import NoiseParams
from components.annotation.pixels import dataset_of, features
from components.pictures.learning import save_learning_curves
from components.raster.dataset import Source, finish, read_sources, write_source
from components.raster.grid import Window, windows
from components.simulation.dataset import CODES, REFLECTANCE
from components.simulation.optical import optical_pair

SIDE_PX, CHIP_PX, TRAIN, TEST = 192, 64, 16, 8
SHARE, SEEDS, REVIEWED = 0.1, 6, (0, 7, 14, 28, 56)
EVERY = 13  # pixels that the scored model learns from and is scored on: every 13th
DOCS = Path(__file__).parents[1] / "docs"
FIGURE, PAGE = DOCS / "label-review.png", DOCS / "label-noise.md"
BEGIN, END = "<!-- table: written by `python -m benchmarks label_review` -->", "<!-- /table -->"
PARAMS = NoiseParams(pixels=1000, iterations=50)
TOP, RANDOM = "worst suspects of annotation QA", "random chips"
Chips = Sequence[tuple[int, Window]]


def measure() -> list[dict[str, Any]]:
    """Rows: the score with faults, after the review of one chip in ten by either order, without faults; and recall."""
    with tempfile.TemporaryDirectory(prefix="swath-review-") as folder, threadpool_limits(1):
        bench = _Bench(Path(folder))
        found = [bench.run(seed) for seed in range(SEEDS)]
    curves = {name: [_interval([each[name][k] for each in found]) for k in REVIEWED] for name in (TOP, RANDOM)}
    clean, recall = (_interval([each[name] for each in found]) for name in ("clean", "recall"))
    gains = {k: _interval([each[TOP][k] - each[RANDOM][k] for each in found]) for k in REVIEWED}
    _draw(curves, clean[0])
    _write(curves, gains, clean)
    tenth = REVIEWED[2]
    return [
        {"name": "planted label faults found in the first tenth of the suspects", "value": recall[0], "limit": 0.5,
         "unit": "of them"},
        {"name": f"F1 gained by reviewing the {tenth} worst suspects instead of random chips, lower end",
         "value": gains[tenth][1], "limit": 0.0, "unit": ""},
        {"name": "F1 without any fault", "value": clean[0], "unit": ""},
        {"name": "F1 with one chip in ten wrongly labelled", "value": curves[TOP][0][0], "unit": ""},
    ]  # fmt: skip


class _Bench:
    """Places with their features, kept between seeds: only labels change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pairs = [optical_pair(seed, (SIDE_PX, SIDE_PX)) for seed in range(1, TRAIN + TEST + 1)]
        self.pairs, self.truth = pairs, [(pair.change.array[0] > 0).astype(np.uint8) for pair in pairs]
        self._store(self.truth[:TRAIN])
        self._store_pairs(range(TRAIN, TRAIN + TEST))
        dataset = dataset_of(read_sources(folder / "raw"), PARAMS)
        seen = [features(dataset.read(source)) for source in dataset.sources]
        self.seen = [each.reshape(-1, each.shape[-1])[::EVERY] for each in seen]

    def run(self, seed: int) -> dict[str, Any]:
        """F1 after the review of each number of chips by either order, without faults, and what QA found."""
        faults = plant(self.truth[:TRAIN], CHIP_PX, SHARE, seed)
        ranked = self._ranked(self._store(faults.labels))
        rng = np.random.default_rng((seed, 1))
        orders = {TOP: ranked, RANDOM: [ranked[int(at)] for at in rng.permutation(len(ranked))]}
        scores = {
            name: {k: self._score(self._reviewed(faults, order[:k])) for k in REVIEWED}
            for name, order in orders.items()
        }
        first = ranked[: len(faults.planted)]
        return {**scores, "clean": self._score(self.truth[:TRAIN]), "recall": _recall(faults, first)}

    def _store(self, labels: Sequence[NDArray[np.uint8]]) -> tuple[Source, ...]:
        self._store_pairs(range(TRAIN), labels)
        return read_sources(self.folder / "raw")[:TRAIN]

    def _store_pairs(self, numbers: range, labels: Sequence[NDArray[np.uint8]] | None = None) -> None:
        for number in numbers:
            pair = self.pairs[number]
            codes = pair.change.array if labels is None else labels[number][None]
            scenes = {"before": pair.before, "after": pair.after, "mask": replace(pair.change, array=codes)}
            encodings = {"before": REFLECTANCE, "after": REFLECTANCE, "mask": CODES}
            write_source(self.folder / "raw", f"p{number:02d}", f"p{number:02d}", scenes, encodings=encodings)
        finish(self.folder / "raw", "review")

    def _ranked(self, sources: Sequence[Source]) -> list[tuple[int, Window]]:
        """All chips, those first that models from elsewhere contradict most."""
        table = estimate_noise(sources, PARAMS).measures(CHIP_PX).set_index("id")["contradicted"]
        chips = [(number, window) for number in range(TRAIN) for window in windows((SIDE_PX, SIDE_PX), CHIP_PX)]
        worth = {chip: float(table[f"p{chip[0]:02d}@{chip[1].row},{chip[1].col}"]) for chip in chips}
        return sorted(chips, key=lambda chip: (-worth[chip], chip[0], chip[1].row, chip[1].col))

    def _reviewed(self, faults: Faults, chips: Chips) -> list[NDArray[np.uint8]]:
        labels = [codes.copy() for codes in faults.labels]
        for number, window in chips:
            labels[number][window.slices] = self.truth[number][window.slices]
        return labels

    def _score(self, labels: Sequence[NDArray[np.uint8]]) -> float:
        """F1 of change on the test places of a model that learnt from ``labels`` of the training places."""
        learnt = np.concatenate([codes.ravel()[::EVERY] > 0 for codes in labels])
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)
        model.fit(np.concatenate(self.seen[:TRAIN]), learnt)
        said = model.predict(np.concatenate(self.seen[TRAIN:]))
        true = np.concatenate([codes.ravel()[::EVERY] > 0 for codes in self.truth[TRAIN:]])
        return float(2 * (said & true).sum() / (said.sum() + true.sum()))


def _recall(faults: Faults, first: Chips) -> float:
    return len(set(first) & set(faults.planted)) / len(faults.planted)


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with its 95 % interval by Student's t over seeds."""
    mean, half = float(np.mean(values)), 0.0
    if len(values) > 1:
        half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _draw(curves: dict[str, list[tuple[float, float, float]]], clean: float) -> None:
    drawn = {name: [(float(k), *each) for k, each in zip(REVIEWED, own, strict=True)] for name, own in curves.items()}
    chips = TRAIN * (SIDE_PX // CHIP_PX) ** 2
    save_learning_curves(
        drawn, {"without any fault": clean}, FIGURE,
        title="What a review of labels is worth (sandbox)",
        labels=(f"chips reviewed, of {chips} (one in ten is wrongly labelled)", f"F1 of change, {TEST} other places"),
    )  # fmt: skip


def _write(
    curves: dict[str, list[tuple[float, float, float]]],
    gains: dict[int, tuple[float, float, float]],
    clean: tuple[float, float, float],
) -> None:
    """The table between its marks in the page."""
    lines = [f"| chips reviewed | {TOP} | {RANDOM} | difference |", "| ---: | ---: | ---: | ---: |"]
    for at, k in enumerate(REVIEWED):
        lines.append(f"| {k} | {_shown(curves[TOP][at])} | {_shown(curves[RANDOM][at])} | {_shown(gains[k])} |")
    lines += [
        f"\nWithout any fault: {_shown(clean)}. F1 of change, mean and 95 % interval over {SEEDS} draws of faults",
        f"({', '.join(KINDS)}); sandbox places, so these scores say nothing about the real world.",
    ]
    head, rest = PAGE.read_text().split(BEGIN, 1)
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.split(END, 1)[1]}")


def _shown(interval: tuple[float, float, float]) -> str:
    return f"{interval[0]:.3f} [{interval[1]:.3f}, {interval[2]:.3f}]"
