import numpy as np
import pytest

from components.metrics.classification import (
    CalibrationBins,
    Counts,
    calibration_bins,
    class_counts,
    class_scores,
    confusion,
    ece,
    kappa,
    mean_iou,
    overall_accuracy,
)

TRUTH = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)
SAID = np.array([1, 1, 0, 1, 0, 0, 0, 1], dtype=bool)
SEEN = np.array([1, 1, 1, 1, 1, 1, 1, 0], dtype=bool)


def test_counts_are_those_counted_by_hand():
    assert Counts.of(TRUTH, SAID, SEEN) == Counts(tp=2, fp=1, fn=1, tn=3)


def test_scores_follow_their_formulas():
    scores = Counts(tp=2, fp=1, fn=1, tn=3).scores()
    expected = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "iou": 0.5, "accuracy": 5 / 7}
    # p0 = 5/7, pe = (3*3 + 4*4)/49 = 25/49
    assert scores == pytest.approx({**expected, "kappa": (5 / 7 - 25 / 49) / (1 - 25 / 49)})


def test_a_class_that_truth_and_prediction_lack_is_undefined():
    nothing = Counts(tn=9)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.iou, nothing.kappa) == (None,) * 5
    assert nothing.accuracy == 1


def test_false_alarms_without_truth_leave_f1_undefined_but_precision_zero():
    assert (Counts(fp=3, tn=6).f1, Counts(fp=3, tn=6).precision) == (None, 0)


def test_a_missed_class_scores_zero():
    assert (Counts(fn=3, tn=6).f1, Counts(fn=3, tn=6).recall, Counts(fn=3, tn=6).precision) == (0, 0, None)


def test_no_pixel_defines_no_score():
    assert set(Counts().scores().values()) == {None}


def test_pooled_counts_are_sums_not_means():
    parts = [Counts(1, 2, 3, 4), Counts(10, 20, 30, 40)]
    assert Counts.pooled(part.values() for part in parts) == parts[0] + parts[1] == Counts(11, 22, 33, 44)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        Counts.of(TRUTH, SAID[:3])


def test_confusion_has_truth_in_rows_and_keeps_the_order_of_codes():
    truth, said = np.array([7, 7, 2, 2, 2]), np.array([7, 2, 2, 2, 7])
    assert confusion(truth, said, codes=(7, 2)).tolist() == [[1, 1], [1, 2]]
    assert confusion(truth, said, (7, 2), valid=truth == 7).tolist() == [[1, 1], [0, 0]]


def test_a_code_that_is_no_class_is_refused_by_name():
    with pytest.raises(ValueError, match=r"codes \[9\]"):
        confusion(np.array([0, 9]), np.array([0, 0]), codes=(0, 1))


def test_multi_class_scores_follow_their_formulas():
    matrix = np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]])
    assert overall_accuracy(matrix) == pytest.approx(0.7)
    assert kappa(matrix) == pytest.approx((0.7 - 0.54) / (1 - 0.54))
    assert class_counts(matrix, 0) == Counts(tp=5, fp=2, fn=1, tn=2)
    assert mean_iou(matrix) == pytest.approx((5 / 8 + 2 / 5) / 2)


def test_an_absent_class_is_undefined_and_stays_out_of_the_mean():
    scores = class_scores(np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]]), ("field", "road", "water"))
    assert scores["f1.water"] is None
    assert scores["iou.field"] == pytest.approx(5 / 8)


def test_binary_kappa_equals_the_multi_class_one():
    counts = Counts.of(TRUTH, SAID)
    assert counts.kappa == pytest.approx(kappa(confusion(TRUTH, SAID, (0, 1))))


def test_ece_is_the_gap_between_promise_and_truth():
    probability = np.array([0.9] * 10 + [0.1] * 10)
    truth = np.array([True] * 7 + [False] * 13)
    # 10 px promise 0.9 and hold 0.7, 10 px promise 0.1 and hold 0.0
    assert ece(calibration_bins(probability, truth)) == pytest.approx((0.2 + 0.1) / 2)


def test_a_calibrated_forecast_has_no_error():
    generator = np.random.default_rng(0)
    probability = generator.uniform(size=200_000)
    bins = calibration_bins(probability, generator.uniform(size=200_000) < probability)
    assert ece(bins) < 0.005


def test_bins_of_parts_add_up_to_bins_of_the_whole():
    generator = np.random.default_rng(1)
    probability, truth = generator.uniform(size=100), generator.uniform(size=100) < 0.3
    parts = [calibration_bins(probability[half], truth[half]) for half in (slice(0, 40), slice(40, 100))]
    for left, right, whole in zip(*parts, calibration_bins(probability, truth), strict=True):
        np.testing.assert_allclose(left + right, whole)


def test_the_probability_one_falls_into_the_last_bin():
    assert calibration_bins(np.array([1.0, 0.0]), np.array([1, 0]), bins=4).counts.tolist() == [1, 0, 0, 1]


def test_invalid_and_nan_pixels_are_left_out_of_the_bins():
    bins = calibration_bins(np.array([0.5, np.nan, 0.5]), np.array([1, 1, 1]), valid=np.array([1, 1, 0]))
    assert bins.counts.sum() == 1
    assert ece(calibration_bins(np.array([np.nan]), np.array([1]))) is None


def test_a_probability_above_one_is_refused():
    with pytest.raises(ValueError, match="probabilities"):
        calibration_bins(np.array([1.2]), np.array([1]))


def test_bins_travel_through_rows():
    bins = calibration_bins(np.array([0.2, 0.9]), np.array([0, 1]), bins=3)
    pooled = CalibrationBins.pooled([bins.values(), bins.values()])
    np.testing.assert_allclose(pooled, 2 * np.asarray(bins))
    assert CalibrationBins.pooled([{"tp": 1.0}]) is None
