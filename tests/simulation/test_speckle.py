"""Simulated speckle has the moments and the correlation that were asked for."""

import numpy as np
import pytest

from components.simulation.speckle import Speckle, look_weights, speckle, speckled


def correlation(noise, rows, cols):
    apart = noise - noise.mean()
    shifted = np.roll(apart, (rows, cols), (0, 1))
    return (apart * shifted).mean() / apart.var()


@pytest.mark.parametrize("oversampling", [1.0, 1.5])
@pytest.mark.parametrize("looks", [1, 2, 4.4])
def test_speckle_has_mean_one_and_variance_one_over_looks(looks, oversampling):
    noise = speckle(np.random.default_rng(0), (700, 700), Speckle(looks, oversampling=oversampling))
    assert noise.mean(dtype=float) == pytest.approx(1, abs=0.01)
    assert noise.var(dtype=float) * looks == pytest.approx(1, abs=0.02)


def test_white_speckle_is_uncorrelated_and_oversampled_speckle_follows_the_squared_sinc():
    rng = np.random.default_rng(1)
    white, wide = (speckle(rng, (512, 512), Speckle(1, oversampling=each)) for each in (1.0, 2.0))
    for rows, cols in ((0, 1), (1, 0), (1, 1)):
        assert abs(correlation(white, rows, cols)) < 0.01
    assert correlation(wide, 0, 1) == pytest.approx(np.sinc(0.5) ** 2, abs=0.03)
    assert correlation(wide, 0, 2) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("looks", [1, 1.5, 4, 4.4, 4.9])
def test_look_weights_sum_to_one_and_their_squares_to_one_over_looks(looks):
    weights = look_weights(looks)
    assert (weights.sum(), (weights**2).sum()) == (pytest.approx(1), pytest.approx(1 / looks))
    assert weights.min() >= 0


def test_a_seed_is_a_draw_and_holes_stay_holes():
    truth = np.ones((8, 9))
    truth[2, 3] = np.nan
    one, again, other = (speckled(truth, Speckle(1), seed) for seed in (0, 0, 1))
    assert np.array_equal(one, again, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)
    assert np.isnan(one[2, 3])
    assert np.isfinite(one).sum() == 71


def test_speckle_that_does_not_exist_is_refused():
    for looks, correlation_px, oversampling in ((0, 0, 1), (1, 0, 0.5), (0.5, 0, 2), (4, -1, 1), (4, 0.5, 2)):
        with pytest.raises(ValueError, match="does not exist"):
            Speckle(looks, correlation_px, oversampling)


@pytest.mark.parametrize("wraps", [True, False])
def test_opposite_edges_are_alike_only_where_the_field_wraps(wraps):
    noise = speckle(np.random.default_rng(3), (4000, 16), Speckle(4.4, 0.8, wraps=wraps))
    across = np.corrcoef(noise[:, 0], noise[:, -1])[0, 1]
    assert across > 0.5 if wraps else abs(across) < 0.1


@pytest.mark.parametrize("wraps", [True, False])
def test_leading_indexes_are_independent_draws(wraps):
    noise = speckle(np.random.default_rng(3), (2, 200, 200), Speckle(4.4, 0.8, wraps=wraps))
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03
    assert np.corrcoef(noise[0, 1:].ravel(), noise[0, :-1].ravel())[0, 1] > 0.5
