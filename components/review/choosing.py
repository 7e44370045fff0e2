"""Which chips a person should look at: the worst suspects, the most informative ones, or any (the honest control)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import BadParams, NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import describe

COLUMNS = ("scene", "place", "row", "col", "rows", "cols", "rule", "reason", "score", "action")


@dataclass(frozen=True)
class Candidate:
    """A window of a scene that could be reviewed, why, and how much it is wanted (0..1)."""

    scene: str
    place: str
    window: Window
    reason: str = "chosen at random"
    score: float = 0.0

    @property
    def id(self) -> str:
        """Scene and first pixel: windows of one review never overlap."""
        return f"{self.scene}@{self.window.row},{self.window.col}"


@dataclass(frozen=True)
class Look:
    """What a model makes of a chip: how unsure it is (0..1), and features by which chips differ."""

    uncertainty: float
    features: NDArray[np.float64]


def all_chips(sources: Sequence[Source], role: str, size_px: int) -> tuple[Candidate, ...]:
    """Windows of ``size_px`` over every label of that role, side by side; those at the edges are smaller.

    Raises:
        NotEnoughData: if no source has such a label.
    """
    found = [
        Candidate(source.id, source.place, window)
        for source in sources
        if role in source.files
        for window in _cut(Window(0, 0, *describe(source.files[role]).grid.shape), size_px)
    ]
    if not found:
        raise NotEnoughData(f"no source has a label {role!r}; name its role")
    return tuple(found)


def quarantined(path: Path, count: int, size_px: int, action: str | None = None) -> tuple[Candidate, ...]:
    """The ``count`` windows of a `quarantine.parquet` with the highest scores; all reasons of a window stand together.

    A window larger than ``size_px`` is cut; one that overlaps a window already chosen is left out. ``action`` keeps
    rows of that action only.

    Raises:
        BadParams: if the file lacks a column or holds a score outside 0..1.
    """
    rows = _read(path)
    if action is not None:
        rows = rows[rows["action"] == action]
    chosen: list[Candidate] = []
    for candidate in _by_window(rows):
        for window in _cut(candidate.window, size_px):
            piece = Candidate(candidate.scene, candidate.place, window, candidate.reason, candidate.score)
            if len(chosen) < count and not any(_overlap(piece, other) for other in chosen):
                chosen.append(piece)
    return tuple(chosen)


def at_random(candidates: Sequence[Candidate], count: int, seed: int) -> tuple[Candidate, ...]:
    """``count`` of the candidates drawn without replacement: what every cleverer choice must beat."""
    order = np.random.default_rng(seed).permutation(len(candidates))[:count]
    return tuple(candidates[index] for index in order)


def most_informative(
    candidates: Sequence[Candidate], look: Callable[[Candidate], Look], count: int, seed: int
) -> tuple[Candidate, ...]:
    """``count`` chips of which a model is unsure and that differ from each other.

    Greedy k-centre (Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach)
    on standardised features, the distance to the nearest chosen chip weighted by uncertainty; the first is the most
    uncertain. Ties fall by ``seed``. The score of a chip is its uncertainty.

    Raises:
        NotEnoughData: if there is no candidate.
        ValueError: if an uncertainty lies outside 0..1 or a feature is not finite.
    """
    if not candidates:
        raise NotEnoughData("no chip to choose from; ingest or simulate the dataset first")
    looks = [look(each) for each in candidates]
    unsure = np.array([each.uncertainty for each in looks], np.float64)
    features = np.stack([np.asarray(each.features, np.float64) for each in looks])
    if not ((unsure >= 0) & (unsure <= 1)).all() or not np.isfinite(features).all():
        raise ValueError("uncertainties must lie in 0..1 and features be finite")
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    order = _k_centre(features, unsure, min(count, len(candidates)), np.random.default_rng(seed))
    return tuple(_informative(candidates[index], float(unsure[index])) for index in order)


def entropy(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Entropy (0..1) of a probability map: ``(row, col)`` of one class against the rest, or ``(class, row, col)``."""
    p = np.asarray(probability, np.float64)
    each = np.stack([p, 1 - p]) if p.ndim == 2 else p
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(each > 0, each * np.log(each), 0)
    terms[:, ~np.isfinite(each).all(axis=0)] = np.nan
    bits: NDArray[np.float64] = np.clip(-terms.sum(axis=0) / np.log(len(each)), 0, 1)
    return bits


def _k_centre(
    features: NDArray[np.float64], unsure: NDArray[np.float64], count: int, rng: np.random.Generator
) -> list[int]:
    shuffled = rng.permutation(len(unsure))
    features, unsure = features[shuffled], unsure[shuffled]
    chosen: list[int] = []
    wanted = unsure.copy()
    nearest = np.full(len(unsure), np.inf)
    for _ in range(count):
        wanted[chosen] = -1
        best = int(np.argmax(wanted))
        chosen.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(features - features[best], axis=1))
        wanted = unsure * nearest
    return [int(shuffled[index]) for index in chosen]


def _informative(candidate: Candidate, uncertainty: float) -> Candidate:
    reason = f"most informative: uncertainty {uncertainty:.3f}"
    return Candidate(candidate.scene, candidate.place, candidate.window, reason, uncertainty)


def _read(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BadParams(
            path, f"expected a quarantine as Parquet, found none ({error}); run `swath qa` first"
        ) from error
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise BadParams(path, f"expected the columns {', '.join(COLUMNS)}, found no {', '.join(missing)}; run QA anew")
    if not rows["score"].between(0, 1).all():
        raise BadParams(path, "expected scores in 0..1, found others; run QA anew")
    return rows


def _by_window(rows: pd.DataFrame) -> list[Candidate]:
    keys = ["scene", "place", "row", "col", "rows", "cols"]
    found = []
    for (scene, place, *window), group in rows.groupby(keys, sort=True):
        ordered = group.sort_values(["score", "rule"], ascending=[False, True], kind="stable")
        reasons = "; ".join(f"{rule}: {why}" for rule, why in zip(ordered["rule"], ordered["reason"], strict=True))
        found.append(Candidate(str(scene), str(place), Window(*map(int, window)), reasons, float(group["score"].max())))
    return sorted(found, key=lambda each: (-each.score, each.scene, each.window.row, each.window.col))


def _cut(window: Window, size: int) -> list[Window]:
    """Pieces of at most ``size`` pixels side by side: none lies in two, so no correction meets another."""
    return [
        Window(row, col, min(size, window.row + window.rows - row), min(size, window.col + window.cols - col))
        for row in range(window.row, window.row + window.rows, size)
        for col in range(window.col, window.col + window.cols, size)
    ]


def _overlap(one: Candidate, other: Candidate) -> bool:
    a, b = one.window, other.window
    apart = a.row + a.rows <= b.row or b.row + b.rows <= a.row or a.col + a.cols <= b.col or b.col + b.cols <= a.col
    return one.scene == other.scene and not apart
