"""Flow scores against numbers worked out by hand."""

import numpy as np
import pytest

from components.metrics.flow import ErrorCounts, check_point_scores, check_points, end_point_errors


def field(u, v, shape=(4, 5)):
    return np.stack([np.full(shape, u, np.float32), np.full(shape, v, np.float32)])


def test_the_end_point_error_is_the_length_of_the_difference():
    assert end_point_errors(field(3, 4), field(0, 0)) == pytest.approx(np.full((4, 5), 5.0))
    assert end_point_errors(field(1, 2), field(1, 2)) == pytest.approx(np.zeros((4, 5)))


def test_an_unknown_truth_is_not_counted_and_a_missing_answer_counts_as_zero_flow():
    flow, truth = field(1, 0), field(0, 2)
    truth[:, 0, 0] = np.nan
    flow[0, 1, 1] = np.nan
    errors = end_point_errors(flow, truth)
    assert np.isnan(errors[0, 0])
    assert errors[1, 1] == 2
    assert ErrorCounts.of(errors).count == 19


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        end_point_errors(field(0, 0), field(0, 0, (3, 3)))
    with pytest.raises(ValueError, match="shapes differ"):
        ErrorCounts.of(np.zeros((2, 2)), np.ones((3, 3), bool))
    with pytest.raises(ValueError, match=r"points \(n, 4\)"):
        check_points(field(0, 0), np.zeros((3, 2)))


def test_scores_of_four_known_errors():
    scores = ErrorCounts.of(np.array([[0.5, 1.0, 2.0, 4.0]])).scores()
    assert scores["epe"] == pytest.approx(7.5 / 4)
    assert scores["over_1px"] == 0.5  # exactly 1 px is not above it
    assert scores["over_3px"] == 0.25


def test_quantiles_of_pooled_counts_are_those_of_all_pixels_together():
    rng = np.random.default_rng(0)
    parts = [rng.gamma(2, scale, (50, 60)) for scale in (0.2, 1.0, 3.0)]
    pooled = ErrorCounts.pooled([ErrorCounts.of(part).values() for part in parts]).scores()
    together = np.concatenate([part.ravel() for part in parts])
    assert pooled["median"] == pytest.approx(np.median(together), rel=0.02)
    assert pooled["p95"] == pytest.approx(np.percentile(together, 95), rel=0.02)
    assert pooled["epe"] == pytest.approx(together.mean())


def test_only_valid_pixels_count_and_none_at_all_is_undefined():
    errors = np.array([[1.0, 9.0]])
    assert ErrorCounts.of(errors, np.array([[True, False]])).scores()["epe"] == 1
    assert set(ErrorCounts.of(errors, np.zeros((1, 2), bool)).scores().values()) == {None}


def test_errors_beyond_the_last_bin_stay_in_the_mean_and_in_the_last_bin():
    scores = ErrorCounts.of(np.array([[500.0, 500.0]])).scores()
    assert scores["epe"] == 500
    assert 95 < scores["p95"] <= 100


def test_residuals_of_check_points_follow_the_flow_between_pixels():
    flow = np.stack([np.tile(np.arange(5.0), (4, 1)), np.zeros((4, 5))])  # u = x
    points = np.array([[1.5, 2.0, 3.0, 2.0], [1.0, 1.0, 2.0, 4.0], [9.0, 1.0, 9.0, 1.0]])
    residuals = check_points(flow, points)
    assert residuals[:2] == pytest.approx([0, 3])
    assert np.isnan(residuals[2])  # outside the reference


def test_check_point_scores_by_hand():
    scores = check_point_scores([0.5, 1.5, 2.5, 3.5, np.nan])
    assert scores["rmse"] == pytest.approx(np.sqrt((0.25 + 2.25 + 6.25 + 12.25) / 4))
    assert [scores[f"within_{limit}px"] for limit in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert check_point_scores([])["rmse"] is None
