"""Does an image tell the classes of its label apart? No model is trained: means and covariances of the bands say it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.stats import norm

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


def least_separation(pixels: Float, codes: NDArray[np.integer]) -> Separation | None:
    """The two classes of pixels ``(band, pixel)`` that lie closest; None where fewer than two have 100 pixels.

    The distance is the unbiased one (Lachenbruch and Mickey 1968), so that few pixels do not look apart by chance.
    """
    groups = {int(code): pixels[:, codes == code] for code in np.unique(codes)}
    large = {code: group for code, group in groups.items() if group.shape[1] >= LEAST_PX}
    found = [
        Separation(float(norm.cdf(sqrt(_distance(large[one], large[other]) / 2))), (one, other))
        for one, other in combinations(large, 2)
    ]
    return min(found, key=lambda each: each.auc, default=None)


def beside_outlines(rims: Bool) -> Bool:
    """Pixels 2 to 5 px beside outlines ``(row, col)``: near enough that only the class differs, and not mixed."""
    edges = rims.astype(np.uint8)
    near, on = (maximum_filter(edges, size=2 * reach + 1) for reach in (BESIDE_PX, ON_PX))
    return np.asarray((near > 0) & (on == 0))


def discriminants(pixels: Float, codes: NDArray[np.integer], most: int = 2) -> Float:
    """Weights ``(layer, band)`` of the sums of bands that set the classes farthest apart (canonical variates).

    Empty where there are fewer than two classes.
    """
    groups = [pixels[:, codes == code] for code in np.unique(codes)]
    groups = [group for group in groups if group.shape[1] > 1]
    if len(groups) < 2:
        return np.zeros((0, len(pixels)))
    within = sum(group.shape[1] * _covariance(group) for group in groups) / pixels.shape[1]
    means = np.array([group.mean(axis=1) for group in groups])
    sizes = np.array([group.shape[1] for group in groups], dtype=np.float64)
    centred = (means - np.average(means, axis=0, weights=sizes)) * np.sqrt(sizes)[:, None]
    whitening = np.linalg.inv(np.linalg.cholesky(_steady(np.asarray(within))))
    _, _, directions = np.linalg.svd(centred @ whitening.T, full_matrices=False)
    return np.asarray(directions[: min(most, len(groups) - 1)] @ whitening)


def _distance(one: Float, other: Float) -> float:
    """Squared Mahalanobis distance of two groups without its bias; never below 0."""
    (bands, first), second = one.shape, other.shape[1]
    pooled = ((first - 1) * _covariance(one) + (second - 1) * _covariance(other)) / (first + second - 2)
    step = one.mean(axis=1) - other.mean(axis=1)
    raw = float(step @ np.linalg.solve(_steady(pooled), step))
    shrunk: float = (first + second - bands - 3) / (first + second - 2) * raw
    return max(0.0, shrunk - float(bands * (1 / first + 1 / second)))


def _covariance(group: Float) -> Float:
    return np.asarray(np.atleast_2d(np.cov(group)))


def _steady(covariance: Float) -> Float:
    """The covariance with a thousandth of its mean variance on the diagonal: equal bands make it singular."""
    return covariance + np.eye(len(covariance)) * max(1e-3 * float(np.trace(covariance)) / len(covariance), 1e-12)
