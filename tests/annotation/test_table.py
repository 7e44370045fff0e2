import numpy as np
import pytest

from components.annotation.rules import Expectations
from components.annotation.table import summarise
from components.errors import NotEnoughData
from components.raster.dataset import read_sources
from tests.annotation.pairs import clean, pair, write_dataset

PARAMS = Expectations(table={"evidence": "nbr_drop", "window_px": 48}).table


def limit(name, key):
    return next(rule for rule in Expectations().all_rules() if rule.name == name).kwargs[key]


def table(tmp_path, scenes):
    return summarise(read_sources(write_dataset(tmp_path, scenes) / "raw"), PARAMS)


def test_a_scene_each_of_its_chips_and_the_dataset_have_a_row(tmp_path):
    found = table(tmp_path, {"one": pair(0).scenes})
    assert list(found["id"]) == ["one", "one@0,0", "one@0,48", "one@48,0", "one@48,48", "dataset"]
    assert list(found["level"]) == ["scene", *["chip"] * 4, "dataset"]


def test_shares_and_facts_are_those_of_the_scene(tmp_path):
    row = table(tmp_path, {"one": pair(0).scenes}).iloc[0]
    assert row["share_changed"] == row["changed_fraction"] == pytest.approx(34 * 30 / 96**2)
    assert (row["crs"], row["pixel_size_m"], row["rows"]) == ("EPSG:32631", 10, 96)
    assert bool(row["same_grid"])
    assert row["valid_fraction"] == 1


def test_flips_in_one_region_are_found_in_that_region_only(tmp_path):
    # one label in ten flipped in the lower right quarter
    one = pair(0)
    flips = np.random.default_rng(0).random((48, 48)) < 0.1
    codes = one.mask.array.copy()
    codes[0, 48:, 48:] = np.where(flips, 1 - codes[0, 48:, 48:], codes[0, 48:, 48:])
    found = table(tmp_path, {"one": {**one.scenes, "mask": one.mask.with_array(codes)}})
    noisy = found[found["lone_fraction"] > limit("label-is-shapes", "max_value")]
    assert list(noisy[noisy["level"] == "chip"]["id"]) == ["one@48,48"]


def test_unlabelled_pixels_count_in_no_share(tmp_path):
    one = pair(0)
    codes = one.mask.array.copy()
    codes[0, :, 48:] = 255
    row = table(tmp_path, {"one": {**one.scenes, "mask": one.mask.with_array(codes)}}).iloc[0]
    assert row["labelled_fraction"] == 0.5
    assert row["share_changed"] + row["share_unchanged"] == pytest.approx(1)


def test_the_same_scenes_give_the_same_table(tmp_path):
    first, second = table(tmp_path / "a", clean()), table(tmp_path / "b", clean())
    assert first.equals(second)


def test_a_missing_role_is_named(tmp_path):
    scenes = {name: scene for name, scene in pair(0).scenes.items() if name != "mask"}
    with pytest.raises(NotEnoughData, match="one has no mask"):
        table(tmp_path, {"one": scenes})
