import os
import shutil
from pathlib import Path

import pytest

from components.annotation.noise import ALL, estimate_noise
from components.annotation.rules import read_expectations
from components.annotation.table import summarise
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SWATH_REAL_DATA", ROOT.parent / "shared" / "data")) / "change_optical"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are absent; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    home = tmp_path_factory.mktemp("sources") / "california-fires"
    home.mkdir()
    shutil.copy(ROOT / "data/sources/california-fires/dataset.yaml", home)
    ingest(REAL / "s2_california_wildfire", home)
    return read_sources(home / "raw")


@pytest.fixture(scope="module")
def fires(sources):
    params = read_expectations(ROOT / "data/sources/california-fires").table
    table = summarise(sources, params)
    return table[table["level"] == "scene"].set_index("place")


def limits(column):
    rules = read_expectations(ROOT / "data/sources/california-fires").all_rules()
    return next(rule for rule in rules if rule.kwargs.get("column") == column).kwargs


@pytest.mark.parametrize("column", ["agreement", "edge_agreement"])
def test_the_two_masks_that_do_not_fit_are_found_with_a_wide_margin(fires, column):
    least = limits(column)["min_value"]
    assert set(fires.index[fires[column] < least]) == {"5-6_CASCADE_CREEK", "KENNETH"}
    assert ((fires[column] - least).abs() > 0.05).all()


def test_no_perimeter_is_displaced(fires):
    assert (fires["outline_rank"] >= limits("outline_rank")["min_value"]).all()
    assert (fires["shift_px"] <= limits("shift_px")["max_value"]).all()


def test_the_nan_border_is_counted(fires):
    assert fires.loc["1-12", "valid_fraction"] == pytest.approx(0.996, abs=0.001)
    assert (fires.drop("1-12")["valid_fraction"] == 1).all()


@pytest.mark.slow
def test_models_from_other_fires_contradict_most_of_the_same_two_masks_and_of_no_other(sources):
    noise = estimate_noise(sources, read_expectations(ROOT / "data/sources/california-fires").noise)
    most = next(
        rule
        for rule in read_expectations(ROOT / "data/sources/california-fires").all_rules()
        if rule.name == "label-is-mostly-right"
    ).kwargs["max_value"]
    rates = [each for each in noise.rates if each.place != ALL and each.low is not None]
    assert {each.place for each in rates if each.low > most} == {"5-6_CASCADE_CREEK", "KENNETH"}
