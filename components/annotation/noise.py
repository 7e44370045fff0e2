"""Label noise of a dataset: suspects by chip and by object, and how often each class is wrong in each place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.annotation.confident import (
    UNSURE,
    confident_class,
    confident_joint,
    joint,
    noise_rates,
    thresholds,
)
from components.annotation.noise_params import NoiseParams
from components.annotation.out_of_fold import Judged, out_of_fold
from components.annotation.pixels import NO_LABEL, dataset_of
from components.annotation.suspects import Contradiction, Suspect, chip_measures, suspects_in
from components.raster.dataset import Source
from components.raster.grid import Window, windows

Counts = NDArray[np.integer]
RESAMPLES, CONFIDENCE = 1000, 0.95
LEAST_PX, LEAST_BLOCKS = 100, 2  # fewer confident pixels or blocks of a class give no rate, or no interval
ALL = "all places"


@dataclass(frozen=True)
class Rate:
    """The share (0..1) of a class's labels in a place that is wrong, with its interval over blocks."""

    place: str
    label: str
    rate: float
    low: float | None
    high: float | None
    pixels: int  # of which a model was confident

    def __str__(self) -> str:
        """For example `0.31 [0.25, 0.40]`."""
        return f"{self.rate:.2f}" + ("" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]")


@dataclass(frozen=True)
class Noise:
    """What the models that never saw a label think of it.

    Attributes:
        names: of the classes.
        rates: per place and class, and of all places together (interval over places).
        joint: the estimated joint distribution ``(given, true)``.
        suspects: objects, those first that are worth most.
        contradictions: by scene.
        how: the folds in words.
        unjudged: classes that some fold had nothing to learn of.
        skipped: ids of scenes whose grids or bands differ.
    """

    names: tuple[str, ...]
    rates: tuple[Rate, ...]
    joint: NDArray[np.float64]
    suspects: tuple[Suspect, ...]
    contradictions: Mapping[str, Contradiction]
    how: str
    unjudged: tuple[str, ...]
    skipped: tuple[str, ...]

    def measures(self, window_px: int) -> pd.DataFrame:
        """Columns for the summary table by id of scenes and chips: `noise_lower`, `contradicted`, `suspect_core_px`.

        ``noise_lower`` of a scene is the lower end of the noise rate of its place's worst class; chips have none. The
        others belong to chips, and to a scene that is one chip.
        """
        lower = {
            place: max((each.low for each in self.rates if each.place == place and each.low is not None), default=None)
            for place in {each.place for each in self.rates}
        }
        rows = []
        for scene, found in sorted(self.contradictions.items()):
            shape = found.given.shape
            chips = {window: chip_measures(found, window) for window in windows((shape[0], shape[1]), window_px)}
            whole = next(iter(chips.values())) if len(chips) == 1 else {}
            rows.append({"id": scene, "noise_lower": lower.get(found.place), **whole})
            rows += [{"id": f"{scene}@{window.row},{window.col}", **each} for window, each in chips.items()]
        return pd.DataFrame(rows, columns=["id", "noise_lower", "contradicted", "suspect_core_px"])

    def write(self, folder: Path) -> None:
        """`suspects.parquet` (one row an object) and `noise.json` (rates and joint distribution).

        Raises:
            OSError: if the folder cannot be written.
        """
        columns = [*Suspect("", "", Window(0, 0, 1, 1), "", "", 0, 0, 0.0).as_row()]
        table = pd.DataFrame([each.as_row() for each in self.suspects], columns=columns)
        table.to_parquet(folder / "suspects.parquet", index=False)
        said = {
            "classes": list(self.names),
            "how": self.how,
            "joint": self.joint.round(6).tolist(),
            "rates": [_rounded(asdict(each)) for each in self.rates],
            "unjudged": list(self.unjudged),
            "skipped": list(self.skipped),
        }
        (folder / "noise.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


def estimate_noise(sources: Sequence[Source], params: NoiseParams) -> Noise:
    """Label noise of a dataset by confident learning on out-of-fold predictions with spatial folds.

    Raises:
        NotEnoughData: if a role is missing, or a fold holds fewer than two classes.
        BadScene: if a file cannot be read.
    """
    dataset = dataset_of(sources, params)
    judged = out_of_fold(dataset)
    limits = _thresholds(judged.scenes, len(dataset.names))
    found = {each.scene: _contradiction(each, limits) for each in judged.scenes}
    counts = {scene: _block_counts(each, len(dataset.names), params.block_px) for scene, each in found.items()}
    labelled = sum(np.bincount(each.given[each.given != NO_LABEL], minlength=len(limits)) for each in found.values())
    suspects = [suspect for each in found.values() for suspect in suspects_in(each, dataset.names)]
    total = np.concatenate(list(counts.values())).sum(axis=0)
    return Noise(
        names=dataset.names,
        rates=tuple(_rates(found, counts, dataset.names, params.seed)),
        joint=joint(total, np.asarray(labelled)),
        suspects=tuple(sorted(suspects, key=lambda each: (-each.weight_px, -each.pixels, each.scene, each.window.row))),
        contradictions=found,
        how=judged.folds.kind,
        unjudged=judged.unjudged,
        skipped=dataset.skipped,
    )


def _thresholds(scenes: Sequence[Judged], classes: int) -> NDArray[np.float64]:
    """The thresholds over all scenes, added up scene by scene."""
    sums, counts = np.zeros(classes), np.zeros(classes)
    for each in scenes:
        known = each.given != NO_LABEL
        labels = each.given[known]
        here = np.bincount(labels, minlength=classes)
        mean = thresholds(labels, each.probabilities[known].astype(np.float64))
        sums += np.where(here > 0, mean * here, 0)
        counts += here
    return np.asarray(np.divide(sums, counts, out=np.full(classes, np.nan), where=counts > 0))


def _contradiction(judged: Judged, limits: NDArray[np.float64]) -> Contradiction:
    known = judged.given != NO_LABEL
    confident = np.where(known, confident_class(judged.probabilities.astype(np.float32), limits), UNSURE)
    suggested = np.take_along_axis(judged.probabilities, confident.clip(0)[..., None], -1)[..., 0]
    own = np.take_along_axis(judged.probabilities, judged.given.clip(0)[..., None], -1)[..., 0]
    margin = np.where(known & (confident != UNSURE), suggested.astype(np.float32) - own, 0).clip(0, 1)
    return Contradiction(
        judged.scene, judged.place, judged.given, confident.astype(np.int16), margin.astype(np.float32)
    )


def _block_counts(found: Contradiction, classes: int, block_px: int) -> Counts:
    """Confident counts ``(block, class, class)`` of a scene's blocks, which do not overlap."""
    shape = found.given.shape
    blocks = [
        (slice(row, row + block_px), slice(col, col + block_px))
        for row in range(0, shape[0], block_px)
        for col in range(0, shape[1], block_px)
    ]
    return np.stack([_counts(found.given[block], found.confident[block], classes) for block in blocks])


def _counts(given: NDArray[np.int16], confident: NDArray[np.int16], classes: int) -> Counts:
    known = given != NO_LABEL
    return confident_joint(given[known], confident[known], classes)


def _rates(
    found: Mapping[str, Contradiction], counts: Mapping[str, Counts], names: tuple[str, ...], seed: int
) -> list[Rate]:
    by_place: dict[str, list[Counts]] = {}
    for scene, each in found.items():
        by_place.setdefault(each.place, []).append(counts[scene])
    pooled = {place: np.concatenate(own) for place, own in sorted(by_place.items())}
    whole = np.stack([own.sum(axis=0) for own in pooled.values()])
    return [rate for place, own in {ALL: whole, **pooled}.items() for rate in _rates_of(place, own, names, seed)]


def _rates_of(place: str, blocks: Counts, names: tuple[str, ...], seed: int) -> list[Rate]:
    """Rates of one place with percentile intervals over draws of its blocks with replacement."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=RESAMPLES)
    totals = np.tensordot(drawn, blocks, axes=1)
    own, draws, confident = noise_rates(blocks.sum(axis=0)), noise_rates(totals), blocks.sum(axis=(0, 2))
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    rates = []
    for code in np.flatnonzero(confident >= LEAST_PX):
        spread = int((blocks[:, code].sum(axis=1) > 0).sum()) >= LEAST_BLOCKS
        low, high = np.nanquantile(draws[:, code], tails).tolist() if spread else (None, None)
        rates.append(Rate(place, names[code], float(own[code]), low, high, int(confident[code])))
    return rates


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
