import json

import numpy as np
import pandas as pd
import pytest

from components.annotation.noise import ALL, estimate_noise
from components.annotation.noise_params import NoiseParams
from components.annotation.rules import read_expectations
from components.errors import NotEnoughData
from tests.annotation.noisy import CLEAN, FLIPPED, covers, faulty_pairs, pairs, with_label, written

FAST = {"iterations": 25, "pixels": 400, "block_px": 32}
PAIRS, IMAGES = NoiseParams(**FAST), NoiseParams(images=("image",), **FAST)


def limits(tmp_path):
    """The limits of the shared rules by column."""
    (tmp_path / "expectations.yaml").write_text("noise: {}\n")
    rules = {rule.kwargs.get("column"): rule.kwargs for rule in read_expectations(tmp_path).all_rules()}
    return {name: rules[name]["max_value"] for name in ("noise_lower", "contradicted", "suspect_core_px")}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return estimate_noise(written(tmp_path_factory.mktemp("clean"), pairs()), PAIRS)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return estimate_noise(written(tmp_path_factory.mktemp("faulty"), faulty_pairs()), PAIRS)


def broken(noise, allowed, window_px=64):
    """Scenes that break a rule, by column."""
    table = noise.measures(window_px)
    scenes = table["id"].str.split("@").str[0]
    return {name: set(scenes[table[name] > limit]) for name, limit in allowed.items()}


def test_clean_labels_break_no_rule(clean, tmp_path):
    assert broken(clean, limits(tmp_path)) == {"noise_lower": set(), "contradicted": set(), "suspect_core_px": set()}


def test_each_planted_fault_breaks_a_rule_and_clean_scenes_none(faulty, tmp_path):
    found = broken(faulty, limits(tmp_path))
    assert found["noise_lower"] >= {"flipped", "shifted"}
    assert found["contradicted"] >= {"flipped"}
    assert found["suspect_core_px"] >= {"missing", "invented", "shifted"}
    assert not CLEAN & set.union(*found.values())


def test_the_first_suspects_are_the_planted_objects(faulty):
    first = {each.scene: (each.given, each.suggested) for each in faulty.suspects[:3]}
    assert set(first) == {"missing", "invented", "shifted"}
    assert (first["missing"], first["invented"]) == (("unchanged", "changed"), ("changed", "unchanged"))
    missing = next(each for each in faulty.suspects if each.scene == "missing")
    assert (missing.window.row, missing.window.col) == pytest.approx((30, 28), abs=2)
    assert (missing.window.rows, missing.window.cols) == pytest.approx((34, 30), abs=6)
    assert 0.5 < missing.score <= 1


def test_the_estimated_rate_of_flips_is_near_the_planted_one(faulty):
    rate = next(each for each in faulty.rates if (each.place, each.label) == ("flipped", "changed"))
    area = 34 * 30 / 96**2  # flips of the large class make up most of the small one
    planted = FLIPPED * (1 - area) / (FLIPPED * (1 - area) + (1 - FLIPPED) * area)
    assert rate.low < planted < rate.high
    assert rate.rate == pytest.approx(planted, abs=0.06)


def test_there_is_a_rate_of_every_class_over_all_places(faulty):
    assert [each.label for each in faulty.rates if each.place == ALL] == ["unchanged", "changed"]
    assert faulty.joint.sum() == pytest.approx(1)


def test_what_is_written_can_be_read_again(faulty, tmp_path):
    faulty.write(tmp_path)
    table = pd.read_parquet(tmp_path / "suspects.parquet")
    assert len(table) == len(faulty.suspects)
    assert (table["weight_px"].diff().dropna() <= 0).all()
    assert json.loads((tmp_path / "noise.json").read_text())["how"] == "4 folds of whole places"


def test_class_labels_of_one_image_are_judged_too(tmp_path):
    scenes = covers()
    codes = scenes["place-1"]["mask"].array[0].copy()
    codes[20:60, 60:90] = 1 - (codes[20:60, 60:90] == 1)
    noise = estimate_noise(written(tmp_path, {**scenes, "place-1": with_label(scenes["place-1"], codes)}), IMAGES)
    assert noise.names == ("water", "field", "wood")
    assert {each.scene for each in noise.suspects if each.core_px > 30} == {"place-1"}


def test_clean_class_labels_have_no_suspect(tmp_path):
    noise = estimate_noise(written(tmp_path, covers()), IMAGES)
    assert [each for each in noise.suspects if each.core_px > 9] == []


def test_a_class_of_one_place_only_is_not_judged_and_named(tmp_path):
    scenes = covers()
    codes = scenes["place-2"]["mask"].array[0].copy()
    for name in ("place-0", "place-1", "place-3"):
        own = scenes[name]["mask"].array[0]
        scenes[name] = with_label(scenes[name], np.where(own == 2, 255, own))
    noise = estimate_noise(written(tmp_path, {**scenes, "place-2": with_label(scenes["place-2"], codes)}), IMAGES)
    assert noise.unjudged == ("wood",)
    assert "wood" not in {each.label for each in noise.rates}


def test_a_scene_of_other_bands_is_skipped_by_name(tmp_path):
    scenes = pairs(4)
    one = scenes["place-3"]
    scenes["place-3"] = {role: each.select(("B02", "B03")) if role != "mask" else each for role, each in one.items()}
    noise = estimate_noise(written(tmp_path, scenes), PAIRS)
    assert noise.skipped == ("place-3",)
    assert "place-3" not in noise.contradictions


def test_one_scene_is_judged_by_its_blocks(tmp_path):
    noise = estimate_noise(written(tmp_path, covers(1)), NoiseParams(images=("image",), guard_px=4, **FAST))
    assert noise.how == "4 folds of blocks of 32 px with a guard of 4 px"


def test_a_label_of_one_class_only_is_refused_with_a_remedy(tmp_path):
    scenes = {name: with_label(roles, np.zeros((96, 96), int)) for name, roles in pairs(3).items()}
    with pytest.raises(NotEnoughData, match="two classes in every fold"):
        estimate_noise(written(tmp_path, scenes), PAIRS)


def test_a_missing_role_is_named(tmp_path):
    with pytest.raises(NotEnoughData, match="place-0 has no image; name the roles under noise"):
        estimate_noise(written(tmp_path, pairs(3)), IMAGES)
