"""Great Expectations starts slowly, so one faulty and one clean dataset are checked once for all tests."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.annotation.__main__ import main
from components.annotation.check import check, markdown
from components.annotation.drift import with_drift
from components.annotation.rules import read_expectations
from components.annotation.table import overlap, summarise
from components.annotation.validation import run_suite
from components.errors import NotEnoughData, QualityFailed
from components.raster.dataset import read_sources
from tests.annotation.pairs import clean, faulty, write_dataset
from tests.scenes import make_grid

# rule -> scenes that must break it, each made with that one fault
CAUGHT = {
    "ids-are-unique": {"other-unit"},  # its row stands twice in the table
    "one-grid": {"other-grid"},
    "label-covers-image": {"other-grid"},
    "one-unit": {"other-unit"},
    "same-bands": {"other-bands"},
    "something-was-seen": {"half-empty"},
    "chip-was-seen": {"half-empty"},
    "known-codes": {"unknown-code"},
    "label-where-nothing-was-seen": {"half-empty"},
    "dates-differ": {"one-date"},
    "images-are-not-copies": {"copied", "copy", "other-unit"},
    "label-is-shapes": {"noisy-label"},
    "image-sees-the-label": {"reversed", "unseen-outline", "one-date"},
    "image-sees-the-edge": {"reversed", "unseen-outline", "one-date"},
    "outline-lies-on-edges": {"unseen-outline"},
    "label-is-as-old-as-image": {"one-class"},
    "label-is-in-place": {"displaced"},
    "label-is-in-place-on-the-ground": {"displaced"},
    "dataset-is-in-place": {"dataset"},
    "values-fit-the-unit": {"times-10000"},
    "one-scale": {"times-10000"},
    "no-sentinel-among-values": {"sentinel"},
    "zero-is-not-nodata": {"black-border"},
    "bands-are-seen-together": {"broken-band"},
    "class-is-in-two-places": {"class changed"},
    "class-shares-hold": {"class changed"},
    "place-keeps-its-classes": {"place x"},
    "bands-hold": {"dataset"},
    "annotators-agree": {"displaced"},
    "something-is-labelled": {"unlabelled"},
    "more-than-one-class": {"one-class"},
}


@dataclass(frozen=True)
class Checked:
    table: pd.DataFrame
    results: dict


def _faulty(folder):
    dataset = write_dataset(folder / "faulty", faulty())
    expectations = read_expectations(dataset)
    table = summarise(read_sources(dataset / "raw"), expectations.table)
    table = pd.concat([table, table[table["id"] == "other-unit"]], ignore_index=True)
    # what makes these rows so is tested in test_labelled, test_drift and test_annotators
    table = with_drift(table, None).assign(annotators_least_alpha=np.nan)
    table.loc[table["id"] == "displaced", "annotators_least_alpha"] = 0.6
    table.loc[table["id"] == "one-class", "label_age_days"] = 2000
    table.loc[table["id"] == "dataset", ["bias_least_px", "band_drift"]] = 1.5
    table.loc[table["id"] == "class changed", ["places", "change_of_share_least"]] = 1.0
    table = pd.concat([table, pd.DataFrame([{"level": "place", "id": "place x", "class_psi": 0.3}])], ignore_index=True)
    results = run_suite(table, expectations.all_rules(), folder / "docs", folder)
    return Checked(table, {result.name: result for result in results})


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    """The faulty and the clean dataset, checked side by side."""
    folder = tmp_path_factory.mktemp("annotation")
    dataset = write_dataset(folder / "clean", clean())
    with ThreadPoolExecutor(2) as pool:
        faults, passed = pool.submit(_faulty, folder), pool.submit(check, dataset, folder / "report")
        return faults.result(), passed.result()


@pytest.fixture
def faults(checks):
    return checks[0]


@pytest.fixture
def passed(checks):
    return checks[1]


def test_every_rule_is_planted_once(faults):
    assert set(faults.results) == set(CAUGHT)


@pytest.mark.parametrize("rule", CAUGHT)
def test_each_rule_finds_its_fault_by_id(faults, rule):
    found = {row.split("@")[0] for row in faults.results[rule].failing}
    assert not faults.results[rule].passed
    assert found >= CAUGHT[rule]


def test_exact_rules_find_nothing_else(faults):
    exact = [name for name in CAUGHT if not name.startswith(("image-sees", "outline", "label-is-in"))]
    for rule in exact:
        assert {row.split("@")[0] for row in faults.results[rule].failing} == CAUGHT[rule]


def test_a_clean_dataset_breaks_no_rule(passed):
    assert passed.passed
    assert passed.flagged == {}
    assert [result.name for result in passed.results if not result.passed] == []
    assert (passed.scenes, passed.chips) == (3, 12)


def test_every_rule_answers_for_every_row_it_is_about(passed):
    rows = {"scene": 3, "chip": 12, "dataset": 1, "class": 2, "place": 0, "all": 18}
    rules = read_expectations(Path(__file__).parents[2] / "data/sources/sandbox-optical").all_rules()
    assert {result.name: result.rows for result in passed.results} == {rule.name: rows[rule.rows] for rule in rules}


def test_the_report_has_pages_a_table_and_no_time_or_place(passed):
    folder = passed.summary.parent
    assert "<html" in passed.docs.read_text().lower()
    assert len(pd.read_csv(passed.table)) == 18
    told = json.loads((folder / "quality.json").read_text())
    assert told["passed"] is True
    assert str(folder) not in (folder / "quality.json").read_text()


def test_rules_that_block_raise_and_rules_that_warn_do_not(passed, faults):
    warned = replace(passed, results=tuple(r for r in faults.results.values() if r.severity == "warn"))
    assert warned.require_passed().flagged["reversed"] == ("image-sees-the-label", "image-sees-the-edge")
    blocked = replace(passed, results=tuple(faults.results.values()))
    with pytest.raises(QualityFailed, match="dates-differ broken by one-date: before and after hold the same pixels"):
        blocked.require_passed()
    text = markdown(warned, faults.table)
    assert "| reversed | 0.0" in text


def test_a_scene_of_another_grid_gets_no_measures(faults):
    row = faults.table[faults.table["id"] == "other-grid"].iloc[0]
    assert pd.isna(row["agreement"])
    assert row["overlap"] == 0


def test_overlap_is_the_covered_share_of_the_label():
    image = make_grid((64, 64))
    half = make_grid((64, 64), corner=(500320.0, 5000000.0))
    assert overlap(image, image) == 1
    assert overlap(half, image) == pytest.approx(0.5)
    assert overlap(make_grid((64, 64), None), image) == 0


def test_an_empty_dataset_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "expectations.yaml").write_text("suite: change-pair\n")
    with pytest.raises(NotEnoughData, match="no source to check"):
        check(tmp_path, tmp_path / "out")


def test_the_command_answers_in_one_sentence(tmp_path, capsys):
    assert main(["atlantis", "--root", str(tmp_path)]) == 1
    assert "expectations.yaml" in capsys.readouterr().err
