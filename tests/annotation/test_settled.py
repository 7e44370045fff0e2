"""What a person has looked at is not raised again, until the label changes; facts stay faults."""

import numpy as np
import pandas as pd
import pytest
import yaml

from components.annotation.check import check, keep
from components.annotation.settled import covered, settled_windows
from components.raster.cog import write_scene
from components.raster.dataset import read_sources
from components.raster.grid import Window
from components.raster.io import read_scene
from components.review.choosing import Candidate, quarantined
from components.review.export import Request, export
from components.review.importing import read_annotations
from components.review.merging import merge
from tests.review.projects import DATASET, answered, make_dataset, save

EXPECTATIONS = {
    "table": {"window_px": 32},
    "max_left_out": 1,
    "rules": [
        {
            "name": name,
            "expect": "expect_column_values_to_be_between",
            "rows": "chip",
            "severity": "quarantine",
            "by_eye": by_eye,
            "remedy": "look at it",
            "kwargs": {"column": "changed_fraction", "max_value": most},
        }
        for name, by_eye, most in (("looks-wrong", True, 0), ("is-wrong", False, 0.001))
    ],
}


@pytest.fixture
def dataset(tmp_path):
    """Two scenes whose label two rules do not believe: one that a person settles, and a fact."""
    folder = tmp_path / DATASET
    make_dataset(folder / "raw")
    (folder / "expectations.yaml").write_text(yaml.safe_dump(EXPECTATIONS))
    return folder


def found(dataset, *rules):
    """By rule the windows of scene a that annotation QA keeps in the quarantine; and the reasons of the verdict."""
    report = check(dataset, dataset / "qa")
    keep(report, dataset)
    rows = pd.read_parquet(dataset / "quarantine.parquet")
    chosen = [rows[(rows["rule"] == rule) & (rows["scene"] == "a")] for rule in rules]
    return *(sorted(zip(each["row"], each["col"], strict=True)) for each in chosen), report.verdict.reasons


def reviewed(dataset, chosen, change=lambda tasks: None):
    """Windows of scene a looked at by a person, who submits what stands there already, after ``change``."""
    out = dataset / "review"
    project = export(dataset / "raw", DATASET, [each for each in chosen if each.scene == "a"], Request(), out)
    tasks = answered(out)
    change(tasks)
    annotations = read_annotations(project, save(tasks, dataset / "answer.json"))
    return merge(dataset / "raw", project, annotations.corrections, annotations.form)


def settled(dataset):
    return settled_windows(dataset / "raw", read_sources(dataset / "raw"), "mask")


def test_windows_that_a_person_confirmed_are_not_raised_again_but_facts_are(dataset):
    before, fact, reasons = found(dataset, "looks-wrong", "is-wrong")
    assert before == fact != []
    assert not [each for each in reasons if "settled" in each]
    assert reviewed(dataset, quarantined(dataset / "quarantine.parquet", 20, 32)).confirmed
    after, fact, reasons = found(dataset, "looks-wrong", "is-wrong")
    assert (after, fact) == ([], before)
    assert (
        f"looks-wrong: settled by review for {len(before)} windows, whose labels are as a person left them" in reasons
    )


def test_a_label_that_changed_since_is_suspected_again(dataset):
    windows = [Window(0, 0, 32, 32), Window(32, 32, 32, 32)]
    reviewed(dataset, [Candidate("a", "place-0", window) for window in windows])
    assert settled(dataset) == {"a": windows}
    path = dataset / "raw" / "scenes" / "a" / "mask.tif"
    label = read_scene(path)
    codes = label.array.copy()
    codes[0, 40, 40] = 1 - codes[0, 40, 40]
    write_scene(label.with_array(codes), path)
    assert settled(dataset) == {"a": windows[:1]}
    assert settled_windows(dataset / "raw", read_sources(dataset / "raw"), "another") == {}


def test_who_cannot_tell_settles_nothing_and_takes_back_what_was_settled(dataset):
    def shrug(tasks):
        verdict = {"type": "choices", "from_name": "verdict", "value": {"choices": ["cannot tell"]}}
        tasks[0]["annotations"][0]["result"] = [verdict]

    there = [Candidate("a", "place-0", Window(0, 0, 32, 32))]
    reviewed(dataset, there)
    assert settled(dataset)
    assert reviewed(dataset, there, shrug).unsure
    assert settled(dataset) == {}


@pytest.mark.parametrize(
    ("by", "whole"),
    [
        ([], False),
        ([Window(0, 0, 8, 8)], True),
        ([Window(0, 0, 8, 4), Window(0, 4, 8, 4)], True),
        ([Window(0, 0, 8, 7)], False),
        ([Window(4, 4, 20, 20)], False),
        ([Window(16, 16, 8, 8)], False),
    ],
)
def test_a_window_is_covered_by_others_pixel_for_pixel(by, whole):
    assert covered(Window(0, 0, 8, 8), by) is whole
    moved = [Window(each.row + 5, each.col + 9, each.rows, each.cols) for each in by]
    assert covered(Window(5, 9, 8, 8), moved) is whole
    assert np.bool_(whole) == covered(Window(0, 0, 8, 8), by[::-1])
