"""Agreement of several annotators beyond chance: kappa, Krippendorff's alpha, overlap; from counts of ratings.

All start from one table: how many annotators gave a unit (a pixel, an object) each class, ``(unit, class)``. Units
that nobody rated may stand in it; missing ratings are simply fewer in their row. Undefined is None: without any unit
that two have rated, or where only one class was ever given and chance explains everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ratings = NDArray[np.int64]  # (unit, class)


def ratings_of(maps: ArrayLike, classes: Sequence[int], missing: int) -> Ratings:
    """How often each unit of maps ``(annotator, ...)`` got each of ``classes``; ``missing`` is no rating.

    Raises:
        ValueError: if a map holds a code that is neither.
    """
    codes = np.asarray(maps).reshape(len(np.asarray(maps)), -1)
    foreign = sorted(set(np.unique(codes).tolist()) - {*classes, missing})
    if foreign:
        raise ValueError(f"codes {foreign} are none of the classes {list(classes)}")
    return np.stack([(codes == code).sum(axis=0) for code in classes], axis=1)


def krippendorff_alpha(ratings: Ratings) -> float | None:
    """Krippendorff's alpha for nominal data, 1 full agreement, 0 chance, less than 0 systematic disagreement.

    Any number of annotators, missing ratings allowed (Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability, form D: https://repository.upenn.edu/asc_papers/43).
    """
    paired = ratings[ratings.sum(axis=1) >= 2].astype(np.float64)
    totals, sizes = paired.sum(axis=0), paired.sum(axis=1, keepdims=True)
    number = float(totals.sum())
    chance = number**2 - float((totals**2).sum())
    if not number or not chance:
        return None
    same = float((paired * (paired - 1) / (sizes - 1)).sum())
    return 1 - (number - 1) * (number - same) / chance


def fleiss_kappa(ratings: Ratings) -> float | None:
    """Fleiss' kappa over the units that as many annotators have rated as rated any (Fleiss 1971)."""
    most = int(ratings.sum(axis=1).max(initial=0))
    complete = ratings[ratings.sum(axis=1) == most].astype(np.float64)
    if most < 2:
        return None
    seen = float((complete * (complete - 1)).sum(axis=1).mean() / (most * (most - 1)))
    expected = float(((complete.sum(axis=0) / complete.sum()) ** 2).sum())
    return (seen - expected) / (1 - expected) if expected < 1 else None


def cohen_kappa(confusion: ArrayLike) -> float | None:
    """Cohen's kappa of two annotators from their table ``(class by one, class by the other)`` (Cohen 1960)."""
    table = np.asarray(confusion, dtype=np.float64)
    if not table.sum():
        return None
    table /= table.sum()
    expected = float(table.sum(axis=0) @ table.sum(axis=1))
    return (float(np.trace(table)) - expected) / (1 - expected) if expected < 1 else None


def confusion_of(one: ArrayLike, other: ArrayLike, classes: Sequence[int]) -> NDArray[np.int64]:
    """How often two annotators gave which pair of classes ``(class by one, class by the other)``."""
    pairs = [[(np.asarray(one) == left) & (np.asarray(other) == right) for right in classes] for left in classes]
    return np.array([[int(pair.sum()) for pair in row] for row in pairs], dtype=np.int64)


def iou_agreement(maps: ArrayLike, code: int, missing: int) -> float | None:
    """Mean intersection over union of a class between any two of the maps ``(annotator, ...)``, where both rated.

    None where no pair of annotators gave the class at all.
    """
    found = []
    for one, other in combinations(np.asarray(maps), 2):
        both = (one != missing) & (other != missing)
        left, right = (one == code) & both, (other == code) & both
        union = int((left | right).sum())
        if union:
            found.append(int((left & right).sum()) / union)
    return float(np.mean(found)) if found else None
