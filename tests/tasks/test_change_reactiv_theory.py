import numpy as np
import pytest

from components.tasks.change.reactiv_theory import (
    LEAST_DATES,
    crest,
    cv_deviation,
    cv_mean,
    looks_of,
    looks_of_crest,
    stable,
)

LOOKS, DATES = (1.0, 4.4, 4.9, 10.0), (16, 60, 120)
# Measured on pure speckle: looks, dates, bias, rates above mean + 1 and + 2 deviations, and + 1 without the root.
TABLE = [
    (1.0, 16, -0.023, 0.104, 0.017, 0.25),
    (1.0, 60, -0.006, 0.134, 0.021, 0.31),
    (4.9, 16, -0.011, 0.103, 0.015, 0.32),
    (4.9, 60, -0.003, 0.129, 0.019, 0.38),
    (4.9, 120, -0.001, 0.140, 0.020, 0.40),
]


def simulated_cv(looks, dates, pixels=20_000, seed=7):
    amplitude = np.sqrt(np.random.default_rng(seed).standard_gamma(looks, (dates, pixels)))
    return amplitude.std(axis=0) / amplitude.mean(axis=0)


def test_mean_and_deviation_have_the_published_values():
    for looks, mean, root_n in ((1, 0.5227, 0.3713), (4.9, 0.2286, 0.1616), (4.4, 0.2415, 0.1707)):
        assert cv_mean(looks) == pytest.approx(mean, abs=6e-5)
        assert cv_deviation(looks, 1) == pytest.approx(root_n, abs=6e-5)


@pytest.mark.parametrize("looks", [1, 3, 4.4, 4.9, 10])
@pytest.mark.parametrize("dates", DATES)
def test_mean_and_deviation_agree_with_simulation(looks, dates):
    cv = simulated_cv(looks, dates)
    assert cv.mean() == pytest.approx(cv_mean(looks), rel=0.9 / dates)  # the bias of few dates, of order 1 / dates
    assert cv.std() == pytest.approx(cv_deviation(looks, dates), rel=0.04)


def test_the_deviation_has_its_square_root():
    """Without it, the deviation at 4.9 looks is 0.0261 over root N, and 31 % of stable pixels exceed one of them."""
    without_root = cv_deviation(4.9, 1) ** 2
    assert without_root == pytest.approx(0.0261, abs=1e-4)
    assert simulated_cv(4.9, 60).std() * np.sqrt(60) == pytest.approx(cv_deviation(4.9, 1), rel=0.03)


@pytest.mark.parametrize(("looks", "dates", "bias", "one", "two", "rootless"), TABLE)
def test_false_alarms_of_the_normal_thresholds_are_those_of_the_table(looks, dates, bias, one, two, rootless):
    cv = simulated_cv(looks, dates, 40_000)
    mean, deviation = cv_mean(looks), cv_deviation(looks, dates)
    assert cv.mean() - mean == pytest.approx(bias, abs=1e-3)
    assert (cv > mean + deviation).mean() == pytest.approx(one, rel=0.05)
    assert (cv > mean + 2 * deviation).mean() == pytest.approx(two, rel=0.15)
    assert (cv > mean + cv_deviation(looks, 1) ** 2 / np.sqrt(dates)).mean() == pytest.approx(rootless, abs=0.01)


@pytest.mark.parametrize("looks", LOOKS)
def test_simulated_thresholds_keep_the_wanted_rate_of_false_alarms(looks):
    table = stable(looks, max(DATES), 100_000)
    for dates in DATES:
        cv = simulated_cv(looks, dates, 60_000, seed=dates)
        for rate in (0.02, 0.05):
            assert (cv > table.thresholds(rate)[dates]).mean() == pytest.approx(rate, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("dates", DATES)
def test_simulated_thresholds_keep_one_percent_too(looks, dates):
    limit = stable(looks, max(DATES)).thresholds(0.01)[dates]
    above = [(simulated_cv(looks, dates, 50_000, seed=seed) > limit).mean() for seed in range(6)]
    assert np.mean(above) == pytest.approx(0.01, rel=0.1)


def test_thresholds_of_two_channels_share_the_rate():
    table = stable(4.4, 16, 100_000)
    cv = np.maximum(simulated_cv(4.4, 16, 60_000, seed=1), simulated_cv(4.4, 16, 60_000, seed=2))
    assert (cv > table.thresholds(0.05, 2)[16]).mean() == pytest.approx(0.05, rel=0.1)
    assert (cv > table.thresholds(0.05, 1)[16]).mean() > 0.09


def test_thresholds_do_not_depend_on_the_longest_series_nor_on_the_call():
    short, long = stable(3.0, 16, 5000), stable(3.0, 30, 5000)
    assert np.array_equal(short.quantiles[5:17], long.quantiles[5:17])
    stable.cache_clear()
    assert np.array_equal(stable(3.0, 16, 5000).quantiles[5:], short.quantiles[5:])


def test_below_the_least_dates_nothing_is_said():
    table = stable(4.4, 8, 5000)
    assert np.isnan(table.thresholds(0.05)[:LEAST_DATES]).all()
    assert np.isfinite(table.thresholds(0.05)[LEAST_DATES:]).all()
    with pytest.raises(ValueError, match="outside"):
        table.thresholds(1e-6)


@pytest.mark.parametrize("looks", [1, 2, 4.9, 10])
def test_the_rational_fit_inverts_the_mean(looks):
    assert looks_of(cv_mean(looks)) == pytest.approx(looks, rel=5e-4)


@pytest.mark.parametrize(("looks", "dates"), [(1.0, 16), (4.4, 16), (4.9, 60), (10.0, 60)])
def test_looks_are_found_although_a_third_of_the_pixels_change(looks, dates):
    cv = simulated_cv(looks, dates)
    cv[::3] *= 3
    assert looks_of_crest(crest(cv), dates) == pytest.approx(looks, rel=0.05)


def test_looks_of_nothing_are_refused():
    with pytest.raises(ValueError, match="5 dates"):
        looks_of_crest(0.2, 4)
    with pytest.raises(ValueError, match="not defined"):
        crest(np.empty(0))
