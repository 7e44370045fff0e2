"""The counting of confident learning on an example small enough for a sheet of paper."""

import numpy as np
import pytest

from components.annotation.confident import confident_class, confident_joint, joint, noise_rates, thresholds

# Four samples labelled 0, two labelled 1. t0 = (0.9 + 0.8 + 0.7 + 0.2) / 4 = 0.65, t1 = (0.6 + 0.9) / 2 = 0.75.
LABELS = np.array([0, 0, 0, 0, 1, 1])
ZERO = np.array([0.9, 0.8, 0.7, 0.2, 0.4, 0.1])
PROBABILITIES = np.column_stack([ZERO, 1 - ZERO])


def test_a_threshold_is_the_mean_confidence_in_ones_own_label():
    assert thresholds(LABELS, PROBABILITIES) == pytest.approx([0.65, 0.75])


def test_a_class_that_nobody_carries_has_no_threshold_and_is_never_suggested():
    wide = np.column_stack([PROBABILITIES, np.ones(6)])
    limits = thresholds(LABELS, wide)
    assert np.isnan(limits[2])
    assert 2 not in confident_class(wide, limits)


def test_a_sample_below_every_threshold_counts_nowhere():
    # the fifth sample: 0.4 < 0.65 and 0.6 < 0.75
    confident = confident_class(PROBABILITIES, np.array([0.65, 0.75]))
    assert confident.tolist() == [0, 0, 0, 1, -1, 1]
    assert confident_joint(LABELS, confident, 2).tolist() == [[3, 1], [0, 1]]


def test_of_two_reached_thresholds_the_likelier_class_counts():
    assert confident_class(np.array([[0.45, 0.55]]), np.array([0.4, 0.5])).tolist() == [1]


def test_the_joint_is_calibrated_to_the_labels_and_sums_to_one():
    # row 0: (3/4, 1/4) of 4 labels; row 1: (0, 1) of 2 labels, although only one of them was counted
    found = joint(np.array([[3, 1], [0, 1]]), np.array([4, 2]))
    assert found == pytest.approx(np.array([[3, 1], [0, 2]]) / 6)


def test_labels_without_any_confident_sample_are_taken_to_be_right():
    assert joint(np.array([[0, 0], [1, 3]]), np.array([2, 4])) == pytest.approx(np.array([[2, 0], [1, 3]]) / 6)


def test_a_noise_rate_is_the_share_off_the_diagonal_and_undefined_of_nothing():
    assert noise_rates(np.array([[3, 1], [0, 1]])) == pytest.approx([0.25, 0])
    assert np.isnan(noise_rates(np.array([[0, 0], [0, 1]]))[0])


def test_a_known_flip_rate_is_recovered():
    rng = np.random.default_rng(0)
    true = rng.random(20000) < 0.3
    given = np.where(rng.random(20000) < 0.1, ~true, true).astype(int)
    seen = np.where(true, 0.9, 0.1) + 0.05 * rng.standard_normal(20000)
    probabilities = np.column_stack([1 - seen, seen])
    counts = confident_joint(given, confident_class(probabilities, thresholds(given, probabilities)), 2)
    found = joint(counts, np.bincount(given))
    assert found[0, 1] + found[1, 0] == pytest.approx(0.1, abs=0.01)


def test_the_counts_are_those_of_cleanlab():
    """Recorded from cleanlab 2.9.0: compute_confident_joint(..., calibrate=False), and estimate_joint to six digits.

    Its calibrated joint is rounded to whole samples, of which there are 3,000.
    """
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 3000)
    given = np.where(rng.random(3000) < 0.15, rng.integers(0, 3, 3000), true)
    odds = np.exp(1.5 * np.eye(3)[true] + rng.standard_normal((3000, 3)))
    probabilities = odds / odds.sum(1, keepdims=True)
    counts = confident_joint(given, confident_class(probabilities, thresholds(given, probabilities)), 3)
    assert counts.tolist() == [[511, 71, 69], [84, 547, 69], [80, 74, 563]]
    theirs = [[0.246, 0.034, 0.033333], [0.04, 0.260333, 0.032667], [0.039333, 0.036667, 0.277667]]
    assert joint(counts, np.bincount(given)) == pytest.approx(np.array(theirs), abs=1 / 3000)
