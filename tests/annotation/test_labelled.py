"""Great Expectations starts slowly, so one faulty and one clean dataset are checked once for all tests."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from components.annotation.check import check
from components.annotation.labelled import summarise_labelled
from components.annotation.rules import Expectations
from components.errors import NotEnoughData
from components.raster.dataset import read_sources
from tests.annotation.images import clean_images, faulty_images, labelled, moved, write_images

PARAMS = Expectations(suite="labelled-image", table={"kind": "labelled-image", "window_px": 64}).table
# rule -> scenes that must break it, each made with that one fault
CAUGHT = {
    "one-grid": {"other-grid"},
    "label-covers-image": {"other-grid"},
    "something-was-seen": {"half-empty"},
    "chip-was-seen": {"half-empty"},
    "something-is-labelled": {"unlabelled"},
    "more-than-one-class": {"one-class"},
    "known-codes": {"unknown-code"},
    "label-where-nothing-was-seen": {"half-empty", "broken-band"},
    "images-are-not-copies": {"copied", "copy"},
    "label-is-shapes": {"noisy-label"},
    "image-separates-classes": {"other-label"},
    "image-separates-at-the-edge": {"other-label"},
    "label-is-as-old-as-image": {"map-of-long-ago", "map-of-later"},
    "label-is-in-place": {"displaced"},
    "values-fit-the-unit": {"times-10000", "decibels"},
    "one-scale": {"times-10000", "decibels", "thousandth"},
    "no-sentinel-among-values": {"sentinel"},
    "zero-is-not-nodata": {"black-border"},
    "bands-are-seen-together": {"broken-band"},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    faulty, clean = write_images(folder / "faulty", faulty_images()), write_images(folder / "clean", clean_images())
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(check, each, folder / f"{each.name}-out") for each in (faulty, clean)]
        return [each.result() for each in asked]


def found_by(report, rule):
    return {row.split("@")[0] for row in next(each for each in report.results if each.name == rule).failing}


def test_a_clean_dataset_breaks_no_rule(reports):
    assert dict(reports[1].flagged) == {}
    assert reports[1].passed
    assert (reports[1].scenes, reports[1].chips) == (5, 20)


@pytest.mark.parametrize("rule", CAUGHT)
def test_each_rule_finds_its_fault_by_id(reports, rule):
    assert found_by(reports[0], rule) >= CAUGHT[rule]


def test_scenes_without_a_fault_are_not_blamed(reports):
    assert not [name for name in reports[0].flagged if name.startswith("clean")]


def table(folder, scenes):
    return summarise_labelled(read_sources(write_images(folder, scenes) / "raw"), PARAMS)


def test_a_displaced_label_says_how_far_and_where_to_it_must_move(tmp_path):
    row = table(tmp_path, {"moved": moved(labelled(3), 4, 5)}).iloc[0]
    assert row["shift_east_m"] == pytest.approx(-50, abs=5)
    assert row["shift_north_m"] == pytest.approx(40, abs=5)
    assert row["shift_m"] == pytest.approx(64, abs=6)
    assert row["shift_direction_deg"] == pytest.approx(309, abs=5)
    assert row["shift_confidence"] > 0.3


def test_a_bias_of_all_labels_is_found_where_no_scene_alone_is_beyond_its_limit(tmp_path):
    scenes = {f"s{seed}": moved(labelled(seed), 0, 2) for seed in range(5)}
    whole = table(tmp_path, scenes).set_index("level").loc["dataset"]
    assert whole["bias_east_m"] == pytest.approx(-20, abs=3)
    assert whole["bias_east_m_low"] < -20 < whole["bias_east_m_high"] + 3
    assert 1.0 < whole["bias_least_px"] < 2.0
    assert whole["bias_direction_deg"] == pytest.approx(270, abs=10)


def test_shifts_that_differ_from_scene_to_scene_are_no_bias(tmp_path):
    ways = ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1))
    scenes = {f"s{seed}": moved(labelled(seed), *way) for seed, way in enumerate(ways)}
    assert table(tmp_path, scenes).set_index("level").loc["dataset", "bias_least_px"] == 0


def test_two_scenes_have_a_mean_but_no_interval(tmp_path):
    whole = table(tmp_path, {f"s{seed}": labelled(seed) for seed in range(2)}).set_index("level").loc["dataset"]
    assert np.isfinite(whole["bias_m"])
    assert np.isnan(whole["bias_least_px"])


def test_the_classes_that_are_hardest_to_tell_apart_are_named(tmp_path):
    row = table(tmp_path, {"one": labelled(1)}).iloc[0]
    assert row["hardest_pair"] == "land and water"
    assert row["separability"] > 0.95


def test_unlabelled_pixels_count_in_no_share(tmp_path):
    roles = labelled(1)
    codes = roles["mask"].array.copy()
    codes[0, :, 64:] = 255
    row = table(tmp_path, {"half": {**roles, "mask": roles["mask"].with_array(codes)}}).iloc[0]
    assert row["labelled_fraction"] == 0.5
    assert row["share_land"] + row["share_water"] == pytest.approx(1)


def test_two_processes_give_the_table_of_one(tmp_path, monkeypatch):
    sources = read_sources(write_images(tmp_path, {f"s{seed}": labelled(seed) for seed in range(4)}) / "raw")
    alone = summarise_labelled(sources, PARAMS)
    monkeypatch.setattr("components.annotation.spread.MANY", 2)
    monkeypatch.setattr("components.annotation.spread.BATCH", 1)
    assert summarise_labelled(sources, PARAMS).equals(alone)


def test_a_missing_role_is_named(tmp_path):
    with pytest.raises(NotEnoughData, match="one has no image"):
        table(tmp_path, {"one": {"mask": labelled(1)["mask"]}})
