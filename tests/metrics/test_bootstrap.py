from typing import NamedTuple

import numpy as np
import pytest

from components.errors import NotEnoughData
from components.metrics.bootstrap import (
    BootstrapParams,
    Interval,
    interval,
    paired_difference,
    resample,
    resample_units,
)

FAST = BootstrapParams(resamples=400)


class Evidence(NamedTuple):
    unit: str
    value: float


def rows_of(values):
    return [Evidence(f"place-{index:02d}", float(value)) for index, value in enumerate(values)]


def mean(rows):
    return {"mean": sum(row.value for row in rows) / len(rows)}


def test_value_is_the_score_of_all_rows():
    assert interval(rows_of([1, 2, 6]), mean, "mean", FAST).value == 3


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rows = rows_of(np.random.default_rng(0).normal(size=12))
    first = interval(rows, mean, "mean", FAST)
    assert interval(rows, mean, "mean", FAST) == first
    assert interval(rows, mean, "mean", BootstrapParams(400, seed=1)) != first


@pytest.mark.parametrize("units", [8, 30])
def test_intervals_cover_the_truth_about_95_times_in_100(units):
    generator = np.random.default_rng(11)
    hits = 0
    for _ in range(300):
        found = interval(rows_of(generator.normal(size=units)), mean, "mean", BootstrapParams(200))
        hits += found.low <= 0 <= found.high
    assert 0.91 <= hits / 300 <= 0.98  # the plain percentile interval of 8 units covers 0.88


def test_a_constant_score_has_an_interval_of_no_width():
    found = interval(rows_of([2] * 9), mean, "mean", FAST)
    assert (found.low, found.high) == (2, 2)


def test_rows_of_one_unit_are_drawn_together():
    rows = [Evidence("a", 0.0)] * 50 + [Evidence("b", 1.0)] * 50
    draws = resample(rows, mean, FAST).draws["mean"]
    assert set(np.unique(draws)) == {0.0, 0.5, 1.0}


def test_many_pixels_of_few_places_do_not_narrow_the_interval():
    few = rows_of(np.random.default_rng(3).normal(size=10))
    many = [row for row in few for _ in range(20)]
    one, twenty = (interval(rows, mean, "mean", FAST) for rows in (few, many))
    assert (twenty.low, twenty.high) == pytest.approx((one.low, one.high))


def test_every_unit_is_drawn_and_none_beyond():
    draws = resample_units(5, FAST)
    assert draws.shape == (400, 5)
    assert set(np.unique(draws)) == set(range(5))


def test_pairing_narrows_the_interval_of_the_difference():
    hardness = np.random.default_rng(5).normal(size=20)
    better, worse = rows_of(hardness + 0.1), rows_of(hardness)
    paired = paired_difference(better, worse, mean, "mean", settings=FAST)
    alone = interval(better, mean, "mean", FAST)
    assert paired.high - paired.low < 0.01 * (alone.high - alone.low)
    assert paired.low > 0


def test_a_method_against_itself_differs_by_exactly_nothing():
    rows = rows_of(np.random.default_rng(5).normal(size=9))
    found = paired_difference(rows, rows, mean, "mean", settings=FAST)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_where_less_is_better_a_smaller_error_is_a_gain():
    found = paired_difference(rows_of([1] * 8), rows_of([3] * 8), mean, "mean", "min", FAST)
    assert (found.value, found.low) == (2, 2)


def test_methods_scored_on_other_units_are_not_paired():
    with pytest.raises(ValueError, match="not paired"):
        paired_difference(rows_of([1, 2]), rows_of([1, 2, 3]), mean, "mean", settings=FAST)


def test_undefined_draws_are_counted_not_guessed():
    def positive_share(rows):
        positive = [row for row in rows if row.value > 0]
        return {"share": len(positive) / len(rows) if positive else None}

    found = interval(rows_of([1, 0, 0, 0]), positive_share, "share", FAST)
    assert found.undefined_fraction == pytest.approx(0.75**4, abs=0.08)
    assert found.low >= 0.25


def test_a_score_that_is_undefined_everywhere_has_no_interval():
    found = interval(rows_of([1, 2, 3]), lambda rows: {"f1": None}, "f1", FAST)
    assert found == Interval(None, None, None, 400, 400)
    assert str(found) == "undefined"


def test_one_unit_has_a_value_but_no_interval():
    assert str(interval(rows_of([4]), mean, "mean", FAST)) == "4.000 [no interval]"


def test_no_row_is_not_enough_data():
    with pytest.raises(NotEnoughData):
        interval([], mean, "mean")
