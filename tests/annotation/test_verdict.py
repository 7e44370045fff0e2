import pandas as pd
import pytest

from components.annotation.rules import Rule
from components.annotation.validation import RuleResult
from components.annotation.verdict import excess, judge
from components.raster.grid import Window

TABLE = pd.DataFrame(
    [
        {"level": "scene", "id": "a", "scene": "a", "place": "p", "rows": 96, "cols": 128, "fit": 0.9, "noise": 0.3},
        {"level": "chip", "id": "a@32,64", "scene": "a", "place": "p", "fit": 0.2},
        {"level": "scene", "id": "b", "scene": "b", "place": "q", "rows": 96, "cols": 128, "fit": 0.1, "noise": 0.0},
        {"level": "place", "id": "q", "scene": None, "place": "q"},
        {"level": "dataset", "id": "all", "scene": None, "place": None},
    ]
)


def rule(severity="warn", rows="all", column="fit", **limits):
    kwargs = {"column": column, **(limits or {"min_value": 0.4})}
    expect = "expect_column_values_to_be_between"
    return Rule(name="fits", expect=expect, rows=rows, severity=severity, remedy="look at it", kwargs=kwargs)


def verdict(given, *failing, most=0.9):
    result = RuleResult("fits", given.severity, not failing, 4, 0, failing, given.remedy)
    return judge(TABLE, [given], [result], 64, most)


def test_a_dataset_without_a_broken_rule_passes():
    found = verdict(rule())
    assert (found.outcome, found.reasons, found.quarantine) == ("pass", (), ())


def test_a_warning_passes_with_rows_to_review():
    found = verdict(rule("warn"), "a@32,64")
    assert found.outcome == "pass with quarantine"
    (row,) = found.quarantine
    assert (row.scene, row.place, row.window, row.action) == ("a", "p", Window(32, 64, 64, 64), "review")
    assert row.reason == "fit is 0.2, at least 0.4 is allowed: look at it"
    assert found.left_out_fraction == 0


def test_a_quarantined_scene_is_left_out_as_a_whole():
    found = verdict(rule("quarantine"), "b")
    assert found.outcome == "pass with quarantine"
    assert (found.quarantine[0].window, found.quarantine[0].action) == (Window(0, 0, 96, 128), "leave-out")
    assert found.left_out_fraction == pytest.approx(0.5)
    assert found.reasons == ("fits broken by b: look at it",)


def test_overlapping_windows_are_counted_once():
    both = verdict(rule("quarantine"), "a", "a@32,64")
    assert both.left_out_fraction == pytest.approx(0.5)


def test_a_rule_that_blocks_fails_with_its_reason_first():
    found = verdict(rule("block"), "b")
    assert (found.outcome, found.failures) == ("fail", ("fits broken by b: look at it",))


def test_too_large_a_quarantine_fails():
    found = verdict(rule("quarantine"), "b", most=0.2)
    assert found.outcome == "fail"
    assert found.failures == ("50% of the pixels would be left out, at most 20% may: mend the labels",)


def test_a_row_about_a_place_stands_for_its_scenes_and_one_about_the_dataset_for_none():
    assert [each.scene for each in verdict(rule(), "q").quarantine] == ["b"]
    dataset = verdict(rule(), "all")
    assert (dataset.outcome, dataset.quarantine) == ("pass with quarantine", ())


@pytest.mark.parametrize(
    ("value", "limits", "score"),
    [
        (6.0, {"max_value": 3.0}, 0.5),
        (0.35, {"min_value": 0.7}, 1 / 3),
        (30.0, {"max_value": 3.0}, 0.9),
        (2.0, {"max_value": 0}, 1.0),
        (None, {"max_value": 3.0}, 1.0),
        (False, {"value_set": [True]}, 1.0),
        (float("nan"), {"max_value": 3.0}, 1.0),
    ],
)
def test_the_score_grows_with_the_distance_beyond_the_limit(value, limits, score):
    assert excess(value, limits) == pytest.approx(score)
