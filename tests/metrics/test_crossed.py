"""Intervals over crossed evidence cover the truth, and see the spread of either factor."""

import numpy as np
import pytest

from components.metrics.bootstrap import BootstrapParams
from components.metrics.crossed import crossed_mean

QUICK = BootstrapParams(resamples=400)


def test_the_mean_is_that_of_all_pixels_together():
    found = crossed_mean([[2.0, 30.0], [4.0, 0.0]], [[1, 10], [1, 0]], QUICK)
    assert found.value == pytest.approx(36 / 12)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("by_draw", "by_block"), [(1.0, 0.0), (0.0, 1.0), (0.7, 0.7)])
def test_the_interval_covers_the_truth_whichever_factor_varies(by_draw, by_block):
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        cells = by_draw * rng.standard_normal((8, 1)) + by_block * rng.standard_normal((1, 9))
        found = crossed_mean(10 + cells, np.ones((8, 9)), QUICK)
        covered += found.low <= 10 <= found.high
    assert 0.85 <= covered / 200 <= 1


def test_one_draw_or_one_block_has_no_interval_and_nothing_counted_no_value():
    assert crossed_mean([[1.0, 2.0]], [[1, 1]], QUICK).low is None
    assert crossed_mean([[1.0], [2.0]], [[1], [1]], QUICK).high is None
    assert crossed_mean([[0.0, 0.0]], [[0, 0]], QUICK).value is None


def test_a_part_that_only_some_cells_hold_is_counted_where_it_is():
    found = crossed_mean([[5.0, 0.0], [0.0, 0.0]], [[2, 0], [0, 0]], QUICK)
    assert (found.value, found.low, found.high) == (2.5, 2.5, 2.5)
    assert 0 < found.undefined < QUICK.resamples


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="draw, block"):
        crossed_mean([1.0, 2.0], [1, 1])
