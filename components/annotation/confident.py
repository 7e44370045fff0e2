"""Confident learning: how often a label disagrees with what a model, which never saw it, is confident of.

Counting as in Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels,
https://doi.org/10.1613/jair.1.12125 (sections 3.1 and 3.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Codes = NDArray[np.integer]

UNSURE = -1  # no class reaches its own threshold


def thresholds(labels: Codes, probabilities: Float) -> Float:
    """The mean probability of each class over the samples that carry its label (equation 2); NaN for none.

    ``labels`` are class indexes ``(sample,)``, ``probabilities`` ``(sample, class)`` from models that did not learn
    from these samples.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    own = probabilities[np.arange(len(labels)), labels]
    sums = np.bincount(labels, weights=own, minlength=probabilities.shape[1])
    return np.asarray(np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0))


def confident_class(probabilities: Float, limits: Float) -> Codes:
    """The likeliest of the classes that reach their thresholds ``(sample,)``; -1 where none does (equation 1)."""
    reached = probabilities >= limits  # never where the threshold is NaN
    best = np.where(reached, probabilities, -np.inf).argmax(axis=-1)
    return np.asarray(np.where(reached.any(axis=-1), best, UNSURE))


def confident_joint(labels: Codes, confident: Codes, classes: int) -> Codes:
    """Counts ``(class, class)`` of samples labelled i of which a model is confident that they are j."""
    sure = confident != UNSURE
    pairs = labels[sure].astype(np.int64) * classes + confident[sure]
    flat = np.bincount(pairs, minlength=classes * classes)
    return np.asarray(flat.reshape(classes, classes))


def joint(counts: Codes, labelled: Codes) -> Float:
    """The joint distribution of given and true class, calibrated to ``labelled`` samples a class (equation 3).

    A class of whose labels no sample is confident is taken to be right: there is no evidence against it.
    """
    sums = counts.sum(axis=1)
    rows = np.where(sums[:, None] > 0, counts / np.maximum(sums[:, None], 1), np.eye(len(counts)))
    calibrated = rows * labelled[:, None]
    return np.asarray(calibrated / max(calibrated.sum(), 1))


def noise_rates(counts: NDArray[np.generic]) -> Float:
    """Share of each label that is wrong ``(..., class)`` from confident counts ``(..., class, class)``; NaN of none.

    The calibration of `joint` scales whole rows and leaves these shares as they are.
    """
    numbers = np.asarray(counts, np.float64)
    total = numbers.sum(axis=-1)
    right = np.diagonal(numbers, axis1=-2, axis2=-1)
    return np.asarray(1 - np.divide(right, total, out=np.full(total.shape, np.nan), where=total > 0))
