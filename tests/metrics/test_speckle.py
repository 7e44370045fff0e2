"""Scores of despeckling against values counted by hand."""

import numpy as np
import pytest

from components.metrics.speckle import (
    Fidelity,
    Suppression,
    edge_preservation,
    mean_of_intensity,
    ratio_correlation,
    ratio_structure,
    target_contrast_db,
    target_contrast_loss_db,
)

NOISY = np.array([[1.0, 3.0], [2.0, 6.0]])
FILTERED = np.array([[1.0, 2.0], [4.0, 3.0]])


def test_looks_come_together_with_mean_and_variance_of_the_ratio():
    found = Suppression.of(NOISY, FILTERED)
    # filtered: mean 2.5, variance 1.25; ratios 1, 1.5, 0.5, 2: mean 1.25, variance 0.3125
    assert found == Suppression(enl=5.0, ratio_mean=1.25, ratio_variance=0.3125, pixels=4)
    assert set(found.values()) == {"enl", "ratio_mean", "ratio_variance", "pixels"}


def test_pixels_that_are_nodata_or_outside_the_area_do_not_count():
    filtered = FILTERED.copy()
    filtered[0, 0] = np.nan
    area = np.array([[True, True], [True, False]])
    assert Suppression.of(NOISY, filtered, area) == Suppression(9.0, 1.0, 0.25, 2)
    assert mean_of_intensity(NOISY, filtered, area) == pytest.approx(6 / 5)


def test_a_constant_area_has_no_number_of_looks_and_an_empty_one_no_score():
    assert Suppression.of(NOISY, np.full((2, 2), 2.0)).enl is None
    empty = np.full((2, 2), np.nan)
    for found in (Suppression.of, mean_of_intensity, ratio_correlation, ratio_structure, Fidelity.of):
        assert found(NOISY, empty) is None


def test_pure_speckle_that_was_taken_away_whole_has_ratio_mean_one_and_variance_one_over_looks():
    noisy = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (400, 400))
    found = Suppression.of(noisy, np.ones((400, 400)))
    assert (found.ratio_mean, found.ratio_variance * 4.4) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.02))
    assert ratio_structure(noisy, np.ones((400, 400))) < 0.005


def test_the_mean_of_intensity_is_one_where_brightness_only_moved():
    assert mean_of_intensity([[1.0, 3.0]], [[2.0, 2.0]]) == 1


def test_the_autocorrelation_of_a_striped_ratio_alternates():
    noisy = np.tile([1.0, 3.0], (6, 3))
    table = ratio_correlation(noisy, np.full((6, 6), 2.0), reach_px=1)
    assert np.allclose(table, [[-1, 1, -1]] * 3)
    assert ratio_structure(noisy, np.full((6, 6), 2.0), reach_px=1) == pytest.approx(1)


def test_structure_that_a_filter_took_shows_in_the_ratio():
    truth = np.where(np.arange(128) // 8 % 2, 1.0, 4.0) * np.ones((128, 1))
    noisy = truth * np.random.default_rng(1).gamma(4, 1 / 4, truth.shape)
    assert ratio_structure(noisy, np.full_like(truth, noisy.mean())) > 10 * ratio_structure(noisy, truth)


def test_pairs_across_a_hole_do_not_enter_the_autocorrelation():
    noisy = np.array([[1.0, 3.0, np.nan, 3.0, 1.0]])
    table = ratio_correlation(noisy, np.full((1, 5), 2.0), reach_px=1)
    assert table[1].tolist() == [-1, 1, -1]
    assert np.isnan(table[0]).all()


def test_edge_preservation_is_the_ratio_of_the_sums_of_neighbour_ratios():
    # noisy: 1/3 + 2/6 along columns; filtered: 1/2 + 4/3. Along rows 1/2 + 3/6 and 1/4 + 2/3
    assert edge_preservation(NOISY, FILTERED, 1) == pytest.approx((1 / 2 + 4 / 3) / (2 / 3))
    assert edge_preservation(NOISY, FILTERED, 0) == pytest.approx((1 / 4 + 2 / 3) / 1)
    assert edge_preservation(NOISY, NOISY, 0) == 1
    assert edge_preservation(NOISY, FILTERED, 1, np.eye(2, dtype=bool)) is None


def test_a_target_loses_the_contrast_that_a_filter_takes():
    noisy = np.array([[1.0, 1.0, 100.0]])
    filtered = np.array([[1.0, 1.0, 10.0]])
    target, ground = [[False, False, True]], [[True, True, False]]
    assert target_contrast_db(noisy, target, ground) == pytest.approx(20)
    assert target_contrast_loss_db(noisy, filtered, target, ground) == pytest.approx(10)
    assert target_contrast_db(noisy, np.zeros((1, 3), bool), ground) is None


def test_psnr_states_its_domain_and_the_peak_it_refers_to():
    truth, found = np.full((2, 2), 4.0), np.full((2, 2), 1.0)
    assert Fidelity.of(truth, found) == Fidelity(pytest.approx(10 * np.log10(4)), None, "amplitude", 2.0)
    assert Fidelity.of(truth, found, "intensity").psnr_db == pytest.approx(10 * np.log10(16 / 9))
    assert Fidelity.of(truth, truth).psnr_db == np.inf


def test_bright_targets_are_clipped_and_decibels_refer_to_the_range_of_the_truth():
    truth = np.ones((100, 100))
    truth[0, :50], truth[1:50] = 1e6, 0.1
    found = truth.copy()
    found[0, :50] = 1e4
    assert Fidelity.of(truth, found).psnr_db == np.inf
    decibels = Fidelity.of(truth, found * 10**-0.1, "db")
    assert (decibels.peak, decibels.domain) == (pytest.approx(10), "db")
    assert decibels.psnr_db == pytest.approx(20, abs=0.1)


def test_ssim_is_one_for_the_truth_less_for_noise_and_ignores_windows_with_holes():
    rng = np.random.default_rng(2)
    truth = np.exp(rng.normal(0, 1, (64, 64)))
    noisy = truth * rng.gamma(1, 1, truth.shape)
    assert Fidelity.of(truth, truth).ssim == pytest.approx(1)
    whole = Fidelity.of(truth, noisy).ssim
    assert 0.1 < whole < 0.9
    spoilt = noisy.copy()
    spoilt[30, 30], truth[30, 30] = np.nan, np.nan
    assert Fidelity.of(truth, spoilt).ssim == pytest.approx(whole, abs=0.05)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        Suppression.of(NOISY, FILTERED[:1])
    with pytest.raises(ValueError, match="one shape"):
        Fidelity.of(NOISY[0], NOISY[0])
