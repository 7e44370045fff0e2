from dataclasses import replace

import pytest

from components.evaluation.report import build
from components.evaluation.scoring import CANDIDATE, score
from components.evaluation.table import table
from components.tasks.chips import pack
from tests.evaluation import toy


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The report of a run without a quarantine, and of one whose first place is in it."""
    folder = tmp_path_factory.mktemp("toy")
    job = toy.job(folder)
    rules = {toy.PLACES[0]: "label-is-mostly-right"}
    marked = pack(job.task.prepare((), job.params), folder / "marked", lambda chip: rules.get(chip.place, ""))
    suspect = replace(job, prepared=marked)
    return build("toy", job, score(job)), build("toy", suspect, score(suspect))


def test_without_a_quarantine_the_report_says_nothing_of_it(reports):
    assert "suspect" not in reports[0]
    assert "annotation QA" not in table(reports[0])


def test_a_suspect_place_is_still_scored(reports):
    plain, marked = reports
    assert marked["units"] == plain["units"]
    assert marked["methods"][CANDIDATE]["scores"] == plain["methods"][CANDIDATE]["scores"]


def test_the_score_without_the_suspect_place_is_shown_apart(reports):
    found = reports[1]["suspect"]
    assert found["units"] == [toy.PLACES[0]]
    assert set(found["chips"].values()) == {"label-is-mostly-right"}
    rows = [each["values"] for each in reports[1]["rows"][CANDIDATE] if each["unit"] != toy.PLACES[0]]
    tp, fp, fn = (sum(each[name] for each in rows) for name in ("tp", "fp", "fn"))
    assert found["scores_without"][CANDIDATE]["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-6)
    assert "Without their 1 units the candidate's f1 is" in table(reports[1])
