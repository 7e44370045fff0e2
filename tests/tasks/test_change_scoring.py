"""What the change task counts, and what it does not."""

import numpy as np
import pytest

from components.raster.scene import Class
from components.tasks.change import TASK
from components.tasks.change.chips import change_of
from components.tasks.change.features import feature, relative, spreads
from components.tasks.change.pair import answer, pair_of
from components.tasks.seam import Row, Sample
from tests.scenes import BURN_BANDS, change_pair, make_class_map

KINDS = (Class(0, "unchanged", (0, 0, 0)), Class(1, "building", (1, 0, 0)), Class(4, "burned", (2, 0, 0)))


def mask_of(codes):
    like = make_class_map((2, 4), (), classes=KINDS)
    return like.with_array(np.array(codes, np.uint8)[None])


def scored(truth, changed, probability=None):
    pair = change_pair((2, 4))
    inputs = {"before": pair.before, "after": pair.after}
    mask = mask_of(truth)
    given = Sample("x", "place", inputs, {"change": change_of(mask, None), "kind": mask})
    share = None if probability is None else np.array(probability)
    output = answer(pair_of(inputs, BURN_BANDS, "reflectance").ground, np.array(changed, bool), share)
    return TASK.measure(given, output)


def test_counts_leave_out_unknown_truth_and_score_each_kind():
    rows = scored([[0, 0, 1, 1], [4, 4, 4, 255]], [[0, 1, 1, 0], [1, 1, 0, 1]])
    values = rows[0].values
    assert [values[key] for key in ("tp", "fp", "fn", "tn")] == [3, 1, 2, 1]
    scores = TASK.summarise(rows)
    assert scores["precision"] == pytest.approx(3 / 4)
    assert scores["recall.building"] == pytest.approx(1 / 2)
    assert scores["recall.burned"] == pytest.approx(2 / 3)


def test_pixels_that_a_method_leaves_blank_count_as_unchanged():
    pair = change_pair((2, 4))
    mask = mask_of([[1, 1, 1, 1], [0, 0, 0, 0]])
    inputs = {"before": pair.before, "after": pair.after}
    output = dict(answer(pair_of(inputs, BURN_BANDS, "reflectance").ground, np.ones((2, 4), bool)))
    blank = output["change"].array.copy()
    blank[0, 0] = 255
    output["change"] = output["change"].with_array(blank)
    row = TASK.measure(Sample("x", "p", inputs, {"change": change_of(mask, None)}), output)[0]
    assert (row.values["fn"], row.values["tp"], row.values["fp"]) == (4, 0, 4)


def test_calibration_error_of_an_honest_forecast_is_zero_and_of_a_bold_one_is_not():
    truth, changed = [[0, 1, 0, 1], [0, 0, 0, 0]], [[1, 1, 1, 1], [0, 0, 0, 0]]
    honest = scored(truth, changed, [[0.5] * 4, [0.0] * 4])
    assert TASK.summarise(honest)["ece"] == pytest.approx(0)
    assert TASK.summarise(scored(truth, changed))["ece"] == pytest.approx(2 / 8)


def test_pooling_is_micro_and_undefined_is_none():
    rows = [
        Row("a", {"tp": 8.0, "fp": 2.0, "fn": 0.0, "tn": 0.0}),
        Row("b", {"tp": 0.0, "fp": 0.0, "fn": 90.0, "tn": 0.0}),
    ]
    assert TASK.summarise(rows)["f1"] == pytest.approx(16 / (16 + 2 + 90))
    empty = TASK.summarise([Row("a", {"tp": 0.0, "fp": 1.0, "fn": 0.0, "tn": 9.0})])
    assert (empty["f1"], empty["recall"], empty["ece"]) == (None, None, None)


def test_changes_of_an_unwanted_kind_count_as_unchanged():
    target = change_of(mask_of([[0, 1, 4, 255], [4, 1, 0, 0]]), (4,))
    assert target.array[0].tolist() == [[0, 0, 1, 255], [1, 0, 0, 0]]
    assert target.nodata == 255


def test_dnbr_is_the_drop_of_the_burn_ratio():
    pair = change_pair((2, 2))
    dates = []
    for scene, (nir, swir) in ((pair.before, (0.4, 0.1)), (pair.after, (0.2, 0.3))):
        array = scene.array.copy()
        array[3], array[4] = nir, swir
        dates.append(scene.with_array(array))
    assert feature("drop.nbr", *dates)[0, 0] == pytest.approx(0.3 / 0.5 - (-0.1 / 0.5))


def test_relative_features_ignore_what_moves_the_whole_scene():
    pair = change_pair((64, 64))
    darker = pair.after.with_array(pair.after.array * np.float32(0.8))
    for after in (pair.after, darker):
        name = "drop.log.B08"
        image = relative(feature(name, pair.before, after), spreads([name], pair.before, after)[name])
        inside = image[pair.changed.slices]
        assert np.median(inside) > 3 * np.median(np.abs(image))
    found = [
        relative(feature(name, pair.before, after), spreads([name], pair.before, after)[name])
        for after in (pair.after, darker)
    ]
    assert np.median(np.abs(found[0] - found[1])) < 0.1


def test_a_picture_shows_dates_truth_and_hits():
    pair = change_pair()
    given = Sample("fire", "p", {"before": pair.before, "after": pair.after}, {"change": pair.mask})
    output = answer(pair_of(given.inputs, BURN_BANDS, "reflectance").ground, pair.mask.array[0] == 1)
    picture = TASK.draw(given, output)
    assert list(picture.panels) == ["before", "after", "truth", "answer"]
    assert "F1 1.00" in picture.caption
    assert all(panel.shape == (64, 64, 3) for panel in picture.panels.values())
