import numpy as np
import pandas as pd
import pytest

from components.annotation.annotators import agreed
from components.annotation.labelled import summarise_labelled
from components.annotation.rules import Expectations
from components.errors import GridMismatch
from components.raster.dataset import read_sources
from tests.annotation.images import labelled, write_images

TABLE = {"kind": "labelled-image", "window_px": 64, "annotators": ["mask", "second", "third"]}
EXPECTATIONS = Expectations(suite="labelled-image", table=TABLE)
LIMIT = next(rule for rule in EXPECTATIONS.all_rules() if rule.name == "annotators-agree").kwargs["min_value"]


def table(folder, scenes):
    sources = read_sources(write_images(folder, scenes) / "raw")
    return agreed(summarise_labelled)(sources, EXPECTATIONS.table).set_index("id")


def drawn(roles, seed, share=0.01):
    """Another annotator of the same place, who differs in some blocks of 4 px."""
    mask = roles["mask"]
    flips = np.kron(np.random.default_rng(seed).random((32, 32)) < share, np.ones((4, 4))).astype(bool)
    return mask.with_array(np.where(flips, 1 - mask.array, mask.array))


def test_annotators_who_agree_break_no_rule(tmp_path):
    one = labelled(0)
    found = table(tmp_path, {"one": {**one, "second": drawn(one, 1), "third": drawn(one, 2)}})
    assert found.loc["one", "annotators"] == 3
    assert found["annotators_least_alpha"].min() > LIMIT
    assert found.loc["one", "iou_land"] > 0.95


def test_a_region_where_one_annotator_guessed_is_named_and_no_other(tmp_path):
    one = labelled(0)
    second = one["mask"].array.copy()
    second[0, 64:, :64] = np.random.default_rng(0).integers(0, 2, (64, 64))
    found = table(tmp_path, {"one": {**one, "second": one["mask"].with_array(second)}})
    chips = found[found["level"] == "chip"]
    assert list(chips.index[chips["annotators_least_alpha"] < LIMIT]) == ["one@64,0"]


def test_a_class_that_only_one_annotator_knows_is_the_worst(tmp_path):
    one = labelled(0)
    second = one["mask"].with_array(np.zeros_like(one["mask"].array))
    row = table(tmp_path, {"one": {**one, "second": second}}).loc["one"]
    assert row["alpha_water"] < 0
    assert row["annotators_least_iou"] == 0
    assert row["annotators_kappa"] == pytest.approx(0)


def test_one_annotator_alone_is_not_judged(tmp_path):
    found = table(tmp_path, {"one": labelled(0)})
    assert pd.isna(found.loc["one", "annotators_least_alpha"])


def test_annotators_on_two_grids_are_named(tmp_path):
    with pytest.raises(GridMismatch, match="one mask"):
        table(tmp_path, {"one": {**labelled(0), "second": labelled(1)["mask"]}})
