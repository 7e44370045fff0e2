import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.annotation.agreement import auc, fit, lone_fraction, magnitude, nbr_drop, strips
from tests.annotation.pairs import SHAPE, pair

EVERYWHERE = np.ones(SHAPE, dtype=bool)


@pytest.fixture(scope="module")
def burned():
    return pair(0)


def moved(mask, rows, cols):
    return np.roll(mask.array[0] == 1, (rows, cols), axis=(0, 1))


def test_auc_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    truth = rng.random((40, 40)) < 0.3
    score = np.round(rng.normal(truth.astype(float), 1), 1)  # with ties
    usable = rng.random((40, 40)) < 0.8
    assert auc(score, truth, usable) == pytest.approx(roc_auc_score(truth[usable], score[usable]))


def test_auc_of_one_class_is_undefined():
    assert auc(np.zeros(SHAPE), EVERYWHERE, EVERYWHERE) is None


def test_a_mask_that_fits_scores_near_one(burned):
    found = fit(burned.before, burned.after, moved(burned.mask, 0, 0), EVERYWHERE, "nbr_drop")
    assert min(found.agreement, found.edge_agreement, found.magnitude) > 0.95
    assert found.outline_rank == 1
    assert found.shift_px <= 1.5


def test_a_mask_elsewhere_scores_below_a_coin(burned):
    found = fit(burned.before, burned.after, moved(burned.mask, 0, 45), EVERYWHERE, "nbr_drop")
    assert found.agreement < 0.55


def test_time_reversed_shows_in_directed_evidence_only(burned):
    mask = moved(burned.mask, 0, 0)
    assert fit(burned.after, burned.before, mask, EVERYWHERE, "nbr_drop").agreement < 0.05
    assert fit(burned.after, burned.before, mask, EVERYWHERE, "magnitude").agreement > 0.95


@pytest.mark.parametrize(("rows", "cols"), [(4, 3), (-5, 0), (0, -4)])
def test_the_shift_of_a_displaced_mask_is_found(burned, rows, cols):
    found = fit(burned.before, burned.after, moved(burned.mask, rows, cols), EVERYWHERE, "nbr_drop")
    assert found.shift_px == pytest.approx(np.hypot(rows, cols), abs=1.5)


def test_a_label_of_one_class_is_undefined_not_zero(burned):
    found = fit(burned.before, burned.after, ~EVERYWHERE, EVERYWHERE, "nbr_drop")
    assert (found.agreement, found.outline_rank, found.shift_px) == (None, None, None)


def test_unlabelled_pixels_do_not_count(burned):
    mask = moved(burned.mask, 0, 0)
    wrong = mask.copy()
    wrong[:20] = True
    labelled = EVERYWHERE.copy()
    labelled[:20] = False
    found = fit(burned.before, burned.after, wrong, labelled, "nbr_drop")
    assert found.agreement > 0.95


def test_nodata_does_not_count(burned):
    array = burned.after.array.copy()
    array[:, :40] = np.nan
    holed = burned.after.with_array(array)
    assert fit(burned.before, holed, moved(burned.mask, 0, 0), EVERYWHERE, "nbr_drop").agreement > 0.95
    assert np.isfinite(nbr_drop(burned.before, holed)).all()


def test_magnitude_ignores_a_gain_common_to_all_pixels(burned):
    usable = EVERYWHERE
    first = magnitude(burned.before, burned.after, usable)
    brighter = burned.after.with_array(burned.after.array + 0.1)
    np.testing.assert_allclose(magnitude(burned.before, brighter, usable), first, rtol=1e-3, atol=1e-3)


def test_strips_lie_on_both_sides_and_not_on_the_outline():
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:30, 10:30] = True
    found = strips(mask)
    assert found[20, 11:15].all()
    assert found[20, 5:9].all()
    assert not found[20, [4, 9, 10, 15]].any()


def test_flipped_pixels_are_lone_and_shapes_are_not():
    codes = np.zeros((100, 100), np.uint8)
    codes[20:60, 30:80] = 1
    assert lone_fraction(codes) == 0
    flips = np.random.default_rng(0).random(codes.shape) < 0.1
    assert 0.04 < lone_fraction(np.where(flips, 1 - codes, codes)) < 0.09
