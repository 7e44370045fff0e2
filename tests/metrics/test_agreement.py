import numpy as np
import pytest

from components.metrics.agreement import (
    cohen_kappa,
    confusion_of,
    fleiss_kappa,
    iou_agreement,
    krippendorff_alpha,
    ratings_of,
)

NONE = 0  # a missing rating in the published tables
# Krippendorff 2011, example C: four observers, twelve units, five categories, missing data
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
# Krippendorff 2011, example A: two observers, ten units, two categories (1 and 2 here)
BINARY = 1 + np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]])
# the widely printed example of Fleiss' kappa: ten subjects, fourteen raters, five categories
FOURTEEN = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def test_alpha_of_four_observers_with_gaps_is_the_published_one():
    assert krippendorff_alpha(ratings_of(OBSERVERS, (1, 2, 3, 4, 5), NONE)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_observers_is_the_published_one():
    assert krippendorff_alpha(ratings_of(BINARY, (1, 2), NONE)) == pytest.approx(0.095, abs=5e-4)


def test_kappa_of_fourteen_raters_is_the_published_one():
    assert fleiss_kappa(FOURTEEN) == pytest.approx(0.210, abs=5e-4)


def test_kappa_of_two_raters_is_the_published_one():
    # 20 and 15 grants agreed, 5 and 10 not: observed 0.7, by chance 0.5
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)


def test_the_table_of_two_maps_counts_pairs_of_classes():
    assert confusion_of(BINARY[0], BINARY[1], (1, 2)).tolist() == [[5, 3], [1, 1]]


def test_full_agreement_is_one_and_guessing_is_nothing():
    rng = np.random.default_rng(0)
    one, other = rng.integers(1, 4, (2, 20_000))
    assert krippendorff_alpha(ratings_of([one, one, one], (1, 2, 3), NONE)) == 1
    assert krippendorff_alpha(ratings_of([one, other], (1, 2, 3), NONE)) == pytest.approx(0, abs=0.02)
    assert fleiss_kappa(ratings_of([one, other], (1, 2, 3), NONE)) == pytest.approx(0, abs=0.02)


def test_contradiction_is_less_than_chance():
    one = np.array([1, 2] * 50)
    assert krippendorff_alpha(ratings_of([one, 3 - one], (1, 2), NONE)) < -0.9


def test_what_nobody_compared_is_undefined():
    alone = ratings_of([[1, 2, NONE], [NONE, NONE, 1]], (1, 2), NONE)
    assert krippendorff_alpha(alone) is None
    assert fleiss_kappa(alone) is None
    assert cohen_kappa(np.zeros((2, 2))) is None
    assert krippendorff_alpha(ratings_of([[1, 1], [1, 1]], (1, 2), NONE)) is None


def test_overlap_is_the_mean_over_pairs_of_annotators():
    maps = np.array([[1, 1, 2, 2], [1, 2, 2, 2], [NONE, 1, 1, 2]])
    # class 1: one half between the first two, then {1, 2} of three and nothing, on the pixels that both rated
    assert iou_agreement(maps, 1, NONE) == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert iou_agreement(maps, 3, NONE) is None


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match=r"codes \[9\]"):
        ratings_of([[1, 9]], (1, 2), NONE)
