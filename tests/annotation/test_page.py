"""One faulty dataset is checked once (Great Expectations starts slowly); everything else reads what it wrote."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from components.annotation import check as checking
from components.annotation.__main__ import main
from components.annotation.cases import AGAINST, LABEL, Sights, worst_cases
from components.annotation.check import check, keep
from components.annotation.rules import Expectations, TableParams
from components.errors import QualityFailed
from components.raster.grid import Window
from components.tasks.quarantine import Suspicion, quarantine_of, read_quarantine
from tests.annotation.noisy import faulty_pairs, pairs, written

EXPECTED = """suite: change-pair
table: {evidence: nbr_drop, window_px: 64}
noise: {iterations: 25, pixels: 400, block_px: 32}
max_left_out: 0.9
without: [label-is-shapes]
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root") / "data" / "sources" / "faulty"
    folder.mkdir(parents=True)
    written(folder, faulty_pairs())
    (folder / "expectations.yaml").write_text(EXPECTED)
    return folder


@pytest.fixture(scope="module")
def report(dataset, tmp_path_factory):
    return check(dataset, tmp_path_factory.mktemp("out"))


class Tags(HTMLParser):
    """Open tags, and every address that the page asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.asked, self.images = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.images += tag == "img"
        self.asked += [value for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        if tag not in {"meta", "img", "rect", "circle", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.asked += [value for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_warnings_pass_with_quarantine(report):
    assert report.verdict.outcome == "pass with quarantine"
    assert {each.scene for each in report.verdict.quarantine} == {"flipped", "invented", "missing", "shifted"}


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(report):
    tags = Tags((report.summary.parent / "report.html").read_text())
    assert tags.open == []
    assert tags.images > 10
    assert all(address.startswith("data:image/png;base64,") for address in tags.asked)


def test_the_page_names_verdict_rules_noise_and_suspects(report):
    text = re.sub(r"data:[^\"]+", "", (report.summary.parent / "report.html").read_text())
    for words in (
        "pass with quarantine",
        "objects-are-believed",
        "4 folds of whole places",
        "labelled unchanged, looks",
    ):
        assert words in text
    assert "url(" not in text
    assert "<script" not in text


def test_each_broken_rule_has_a_picture_of_its_own(report):
    drawn = {path.stem for path in (report.summary.parent / "pictures").glob("*.png")}
    assert drawn == {each.rule for each in report.verdict.quarantine} | {"suspects"}


def test_the_quarantine_in_the_output_is_that_of_the_verdict(report):
    kept = read_quarantine(report.summary.parent / "quarantine.parquet")
    assert sorted(kept, key=repr) == sorted(report.verdict.quarantine, key=repr)
    told = json.loads((report.summary.parent / "quality.json").read_text())
    assert told["verdict"] == "pass with quarantine"
    assert len(pd.read_parquet(report.summary.parent / "suspects.parquet")) == len(report.noise.suspects)


def test_keep_writes_beside_the_data_and_removes_what_is_no_longer_true(report, dataset):
    path = keep(report, dataset)
    assert quarantine_of(dataset) == read_quarantine(path)
    assert keep(replace(report, verdict=replace(report.verdict, quarantine=())), dataset) is None
    assert quarantine_of(dataset) is None


def test_a_failed_dataset_keeps_nothing(report, dataset):
    failed = replace(report, verdict=replace(report.verdict, failures=("half of the labels are wrong",)))
    with pytest.raises(QualityFailed, match="half of the labels"):
        keep(failed, dataset)
    assert quarantine_of(dataset) is None


def test_the_command_says_what_it_kept_and_what_is_next(monkeypatch, report, dataset, capsys):
    monkeypatch.setattr("components.annotation.__main__.check", lambda folder, out: report)
    assert main(["faulty", "--root", str(dataset.parents[2]), "--keep"]) == 0
    assert "quarantine.parquet. Commit it" in capsys.readouterr().out
    (dataset / "quarantine.parquet").unlink()


def test_a_table_without_sizes_gets_those_of_its_sources(tmp_path, monkeypatch):
    sources = written(tmp_path, pairs(2))
    rows = [{"level": "scene", "id": each.id, "scene": each.id, "place": each.place} for each in sources]
    table = pd.DataFrame([*rows, {"level": "feature", "id": "place-0#1", "scene": "place-0", "place": "place-0"}])
    monkeypatch.setitem(checking._TABLES, "change-pair", lambda sources, params: table)
    sized, noise = checking._table(sources, Expectations())
    assert sized["rows"].tolist()[:2] == sized["cols"].tolist()[:2] == [96, 96]
    assert pd.isna(sized["rows"].iloc[2])
    assert noise is None


def test_the_worst_cases_are_three_scenes_at_most_and_show_the_outline(tmp_path):
    sources = {each.id: each for each in written(tmp_path, pairs(4))}
    sights = Sights(sources, TableParams(), {})
    whole = Window(0, 0, 96, 96)
    found = [
        Suspicion(name, name, whole, "rule", "why", score, "review")
        for name, score in zip(sorted(sources) * 2, [0.1, 0.2, 0.3, 0.4, 0.9, 0.0, 0.0, 0.0], strict=True)
    ]
    pictures = worst_cases(found, sights)["rule"]
    assert [each.title.split(",")[0] for each in pictures] == ["place-0", "place-3", "place-2"]
    assert list(pictures[0].panels) == ["before", "after", "label"]
    label = pictures[0].panels["label"]
    painted = np.isclose(label, np.array(LABEL) / 255, atol=1e-6).all(axis=-1)
    assert painted[2 * 30, 2 * 28 : 2 * 58].all()
    assert not np.isclose(label, np.array(AGAINST) / 255, atol=1e-6).all(axis=-1).any()
