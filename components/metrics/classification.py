"""Classification scores from counts: binary, multi-class and calibration.

Counts add up, so pooled (micro) scores are the scores of summed counts. A score that the data cannot
define is None: a class that the truth does not hold has neither recall nor F1 nor IoU, it is not 0 and not 1.
Formulas: Daudt et al. 2018 (change class), Cohen 1960 (kappa), Guo et al. 2017 (expected calibration error).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

BIN_NAMES = ("bin_count", "bin_probability", "bin_true")
Confusion = NDArray[np.int64]  # (class of the truth, class of the prediction)


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


@dataclass(frozen=True)
class Counts:
    """Pixels by truth and prediction of one class: hits, false alarms, misses and correct rejections."""

    tp: float = 0
    fp: float = 0
    fn: float = 0
    tn: float = 0

    @classmethod
    def of(cls, truth: ArrayLike, predicted: ArrayLike, valid: ArrayLike | None = None) -> Counts:
        """Counts of two boolean arrays of one shape where ``valid`` (everywhere for None).

        Raises:
            ValueError: if the shapes differ.
        """
        yes, said, seen = _together(truth, predicted, valid)
        tp, fp = int(np.sum(yes & said & seen)), int(np.sum(~yes & said & seen))
        return cls(tp, fp, int(np.sum(yes & ~said & seen)), int(np.sum(~yes & ~said & seen)))

    @classmethod
    def pooled(cls, rows: Iterable[Mapping[str, Any]]) -> Counts:
        """The sum of many mappings that hold `tp`, `fp`, `fn` and `tn` (other keys are left alone)."""
        sums = {"tp": 0.0, "fp": 0.0, "fn": 0.0, "tn": 0.0}
        for row in rows:
            for key in sums:
                sums[key] += row[key]
        return cls(**sums)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def values(self) -> dict[str, float]:
        """The four numbers by name, as the row of a task holds them."""
        return {name: float(number) for name, number in asdict(self).items()}

    @property
    def total(self) -> float:
        """Number of pixels counted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None where nothing was predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN); None where the truth holds none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where the truth holds none."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn) if self.tp + self.fn else None

    @property
    def iou(self) -> float | None:
        """TP / (TP + FP + FN); None where the truth holds none."""
        return _ratio(self.tp, self.tp + self.fp + self.fn) if self.tp + self.fn else None

    @property
    def accuracy(self) -> float | None:
        """Share of pixels that are right; None without pixels."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance, see `kappa`."""
        return kappa(np.array([[self.tn, self.fp], [self.fn, self.tp]]))

    def scores(self) -> dict[str, float | None]:
        """Precision, recall, F1, IoU, kappa and accuracy by name."""
        names = ("precision", "recall", "f1", "iou", "kappa", "accuracy")
        return {name: getattr(self, name) for name in names}


def confusion(
    truth: ArrayLike, predicted: ArrayLike, codes: Sequence[int], valid: ArrayLike | None = None
) -> Confusion:
    """Pixels ``(truth, prediction)`` by class, both in the order of ``codes``, where ``valid``.

    Raises:
        ValueError: if the shapes differ or a code is none of ``codes``.
    """
    true, said = np.asarray(truth), np.asarray(predicted)
    seen = np.ones(true.shape, dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
    if not true.shape == said.shape == seen.shape:
        raise ValueError(f"shapes differ: truth {true.shape}, predicted {said.shape}, valid {seen.shape}")
    order = np.argsort(codes)
    known = np.asarray(codes)[order]
    pair = [order[_positions(known, each[seen])] for each in (true, said)]
    size = len(codes)
    return np.bincount(pair[0] * size + pair[1], minlength=size * size).reshape(size, size).astype(np.int64)


def overall_accuracy(matrix: ArrayLike) -> float | None:
    """Trace over total; None without pixels."""
    table = np.asarray(matrix, dtype=float)
    return _ratio(np.trace(table), table.sum())


def kappa(matrix: ArrayLike) -> float | None:
    """Cohen's kappa (p0 - pe) / (1 - pe); None where truth and prediction hold one and the same class only."""
    table = np.asarray(matrix, dtype=float)
    total = table.sum()
    if not total:
        return None
    chance = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
    return _ratio(float(np.trace(table)) / total - chance, 1 - chance)


def class_counts(matrix: ArrayLike, index: int) -> Counts:
    """The counts of one class (by its position) against all others."""
    table = np.asarray(matrix)
    tp = table[index, index]
    fn, fp = table[index].sum() - tp, table[:, index].sum() - tp
    return Counts(int(tp), int(fp), int(fn), int(table.sum() - tp - fn - fp))


def class_scores(matrix: ArrayLike, names: Sequence[str]) -> dict[str, float | None]:
    """`f1.<class>` and `iou.<class>` of every class, None for those that the truth does not hold."""
    counts = {name: class_counts(matrix, index) for index, name in enumerate(names)}
    return {f"f1.{name}": each.f1 for name, each in counts.items()} | {
        f"iou.{name}": each.iou for name, each in counts.items()
    }


def mean_iou(matrix: ArrayLike) -> float | None:
    """Mean IoU over the classes that the truth holds; None where it holds none."""
    each = [class_counts(matrix, index).iou for index in range(len(np.asarray(matrix)))]
    defined = [value for value in each if value is not None]
    return _ratio(sum(defined), len(defined))


class CalibrationBins(NamedTuple):
    """Pixels by predicted probability: count, sum of probabilities and number of true ones, each ``(bins,)``."""

    counts: NDArray[np.float64]
    sum_prob: NDArray[np.float64]
    sum_true: NDArray[np.float64]

    def values(self) -> dict[str, tuple[float, ...]]:
        """The bins by name, as the row of a task holds them: `bin_count`, `bin_probability`, `bin_true`."""
        return {name: tuple(each.tolist()) for name, each in zip(BIN_NAMES, self, strict=True)}

    @classmethod
    def pooled(cls, rows: Iterable[Mapping[str, Any]]) -> CalibrationBins | None:
        """The sum of many mappings that hold bins, see `values`; None if one of them holds none."""
        tables = [[row[name] for name in BIN_NAMES] if BIN_NAMES[0] in row else None for row in rows]
        if not tables or any(table is None for table in tables):
            return None
        return cls(*np.asarray(tables, dtype=np.float64).sum(axis=0))


def calibration_bins(
    probability: ArrayLike, truth: ArrayLike, bins: int = 15, *, valid: ArrayLike | None = None
) -> CalibrationBins:
    """Sums over equal bins of probability in [0, 1]; bins of several images are added up.

    Pixels whose probability is not finite are left out, as those that are not ``valid``.

    Raises:
        ValueError: if the shapes differ or a probability leaves [0, 1].
    """
    said = np.asarray(probability, dtype=np.float64)
    true, _, seen = _together(truth, np.isfinite(said), valid)
    keep = seen & np.isfinite(said)
    said, hits = said[keep], true[keep].astype(np.float64)
    if said.size and (said.min() < 0 or said.max() > 1):
        raise ValueError(f"probabilities must be in [0, 1], got {said.min():.3g} to {said.max():.3g}")
    index = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts, sum_prob, sum_true = (
        np.bincount(index, weights, bins).astype(np.float64) for weights in (np.ones_like(said), said, hits)
    )
    return CalibrationBins(counts, sum_prob, sum_true)


def ece(bins: Sequence[ArrayLike]) -> float | None:
    """Expected calibration error in 0..1: mean over pixels of |mean probability - true share| of their bin.

    ``bins`` are counts, sums of probability and true counts, see `calibration_bins`. None without pixels.
    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599
    """
    counts, sum_prob, sum_true = (np.asarray(each, dtype=np.float64) for each in bins)
    return _ratio(float(np.abs(sum_prob - sum_true).sum()), float(counts.sum()))


def _together(
    truth: ArrayLike, predicted: ArrayLike, valid: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    true, said = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    seen = np.ones(true.shape, dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
    if not true.shape == said.shape == seen.shape:
        raise ValueError(f"shapes differ: truth {true.shape}, predicted {said.shape}, valid {seen.shape}")
    return true, said, seen


def _positions(known: NDArray[Any], found: NDArray[Any]) -> NDArray[np.int64]:
    at = np.minimum(np.searchsorted(known, found), len(known) - 1)
    strange = np.unique(found[known[at] != found])
    if strange.size:
        raise ValueError(f"codes {strange.tolist()} are none of the classes {known.tolist()}")
    return at
