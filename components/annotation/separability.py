"""Does an image tell the classes of its label apart? No model is trained: means and covariances of the bands say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

LEAST_PX = 100  # of each of two classes; fewer say nothing about ten bands
ON_PX, BESIDE_PX = 1, 5  # pixels on the outline are mixed; the strips reach 5 px from it


@dataclass(frozen=True)
class Separation:
    """How far apart the two classes that are hardest to tell apart lie in the bands.

    ``auc`` (0.5..1) is the area under the ROC curve of the best weighted sum of bands, for bands that are normal with
    one covariance (Su and Liu 1993): Phi(D / sqrt 2) of the Mahalanobis distance D. ``pair`` are the class codes.
    """

    auc: float
    pair: tuple[int, int]


@dataclass(frozen=True)
class Group:
    """The pixels of one class: its code, how many, their mean ``(band,)`` and covariance ``(band, band)``."""

    code: int
    size: int
    mean: Float
    covariance: Float


def groups_of(pixels: Mapping[int, Float]) -> tuple[Group, ...]:
    """Means and covariances of pixels ``(band, pixel)`` by class; classes of fewer than 100 pixels are left out."""
    return tuple(
        Group(code, each.shape[1], each.mean(axis=1), _covariance(each))
        for code, each in sorted(pixels.items())
        if each.shape[1] >= LEAST_PX
    )


def least_separation(groups: Sequence[Group]) -> Separation | None:
    """The two classes that lie closest; None where there are fewer than two.

    The distance is the unbiased one (Lachenbruch and Mickey 1968), so that few pixels do not look apart by chance.
    """
    found = [(_distance(one, other), (one.code, other.code)) for one, other in combinations(groups, 2)]
    if not found:
        return None
    distance, pair = min(found)
    return Separation((1 + erf(sqrt(distance) / 2)) / 2, pair)


def beside_outlines(rims: Bool) -> Bool:
    """Pixels 2 to 5 px beside outlines ``(row, col)``: near enough that only the class differs, and not mixed."""
    near, on = (_within(rims, reach) for reach in (BESIDE_PX, ON_PX))
    return near & ~on


def _within(rims: Bool, reach: int) -> Bool:
    """Pixels at most ``reach`` rows and columns from one that is set: unions of shifts, rows first."""
    down = rims.copy()
    for step in range(1, reach + 1):
        down[step:] |= rims[:-step]
        down[:-step] |= rims[step:]
    both = down.copy()
    for step in range(1, reach + 1):
        both[:, step:] |= down[:, :-step]
        both[:, :-step] |= down[:, step:]
    return both


def discriminants(groups: Sequence[Group], most: int = 2) -> Float:
    """Weights ``(layer, band)`` of the sums of bands that set the classes farthest apart (canonical variates).

    Empty where there are fewer than two classes.
    """
    if len(groups) < 2:
        return np.zeros((0, len(groups[0].mean) if groups else 0))
    sizes = np.array([each.size for each in groups], dtype=np.float64)
    within = np.average([each.covariance for each in groups], axis=0, weights=sizes)
    means = np.array([each.mean for each in groups])
    centred = (means - np.average(means, axis=0, weights=sizes)) * np.sqrt(sizes)[:, None]
    whitening = np.linalg.inv(np.linalg.cholesky(_steady(within)))
    _, _, directions = np.linalg.svd(centred @ whitening.T, full_matrices=False)
    return np.asarray(directions[: min(most, len(groups) - 1)] @ whitening)


def _distance(one: Group, other: Group) -> float:
    """Squared Mahalanobis distance of two groups without its bias; never below 0."""
    bands, total = len(one.mean), one.size + other.size
    pooled = ((one.size - 1) * one.covariance + (other.size - 1) * other.covariance) / (total - 2)
    step = one.mean - other.mean
    raw = float(step @ np.linalg.solve(_steady(pooled), step))
    return max(0.0, (total - bands - 3) / (total - 2) * raw - bands * (1 / one.size + 1 / other.size))


def _covariance(group: Float) -> Float:
    centred = group - group.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T / (group.shape[1] - 1))


def _steady(covariance: Float) -> Float:
    """The covariance with a thousandth of its mean variance on the diagonal: equal bands make it singular."""
    return covariance + np.eye(len(covariance)) * max(1e-3 * float(np.trace(covariance)) / len(covariance), 1e-12)
