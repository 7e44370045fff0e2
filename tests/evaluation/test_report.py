import json

import pytest

from components.errors import LineageBroken
from components.evaluation.__main__ import evaluate, main
from components.evaluation.cost import cost_in
from components.evaluation.evidence import Evidence, bootstrap_params
from components.evaluation.report import build, headline, rows_in, verify_scores
from components.evaluation.scoring import score
from components.evaluation.seal import digest_of, read_report, verify, write_report
from components.evaluation.table import table, units_table
from tests.evaluation import toy


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return toy.job(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def report(job):
    return build("toy", job, score(job))


def test_the_report_says_what_was_scored_and_how(report, job):
    assert (report["run"], report["dataset"], report["simulated"]) == ("toy", "sandbox-toy", True)
    assert report["prepared"] == job.prepared.digest
    assert report["units"] == list(toy.PLACES)
    assert report["protocol"]["kind"] == "cross-validation by place"
    assert {name: each["role"] for name, each in report["methods"].items()} == {
        "candidate": "candidate",
        "high": "baseline",
        "all-unchanged": "control",
    }


def test_the_pooled_score_is_that_of_the_sum_of_counts(report):
    values = [row["values"] for row in report["rows"]["candidate"]]
    tp, fp, fn = (sum(each[name] for each in values) for name in ("tp", "fp", "fn"))
    assert report["methods"]["candidate"]["scores"]["f1"]["value"] == pytest.approx(
        2 * tp / (2 * tp + fp + fn), abs=1e-6
    )


def test_the_gain_is_the_paired_difference_with_its_interval(report):
    gain = report["gains"]["high"]
    f1 = {name: each["scores"]["f1"]["value"] for name, each in report["methods"].items()}
    assert gain["value"] == pytest.approx(f1["candidate"] - f1["high"], abs=2e-6)
    assert 0 < gain["low"] < gain["value"] < gain["high"]


def test_a_control_that_finds_nothing_has_f1_zero_and_no_precision(report):
    scores = report["methods"]["all-unchanged"]["scores"]
    assert (scores["f1"]["value"], scores["precision"]["value"]) == (0, None)


def test_calibration_bins_count_every_valid_pixel(report):
    assert sum(report["calibration"]["bin_count"]) == 10 * 24 * 23


def test_two_evaluations_write_the_same_bytes(job, report, tmp_path):
    write_report(report, tmp_path / "one.json")
    write_report(build("toy", job, score(job)), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_report_survives_its_file(report, tmp_path):
    write_report(report, tmp_path / "toy.json")
    back = read_report(tmp_path / "toy.json")
    assert digest_of(back) == report["digest"]
    assert rows_in(back, "candidate") == rows_in(report, "candidate")


def test_a_metric_edited_by_hand_is_found_out(report, tmp_path):
    write_report(report, tmp_path / "toy.json")
    value = report["methods"]["candidate"]["scores"]["f1"]["value"]
    text = (tmp_path / "toy.json").read_text().replace(str(value), "0.999", 1)
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(LineageBroken, match="a number was changed after evaluation"):
        read_report(tmp_path / "toy.json")


def test_a_metric_edited_and_sealed_anew_does_not_follow_from_its_rows(report, job):
    forged = json.loads(json.dumps(report))
    forged["methods"]["candidate"]["scores"]["f1"]["value"] = 0.999
    forged["digest"] = digest_of(forged)
    verify(forged)
    evidence = Evidence.of(rows_in(forged, "candidate"), job.task.summarise, bootstrap_params(job.params))
    with pytest.raises(LineageBroken, match="f1 of candidate does not follow from the rows"):
        verify_scores(forged, {"candidate": evidence})


def test_the_weights_are_part_of_the_report(tmp_path):
    digests = {build("toy", each, score(each, only="candidate"))["weights"] for each in _two_jobs(tmp_path)}
    assert len(digests) == 2


def _two_jobs(folder):
    return [toy.job(folder / str(number), above=(number, 1.0, 1.0)) for number in (1, 2)]


def test_fixed_places_are_named_as_such(tmp_path):
    places = {"kind": "places", "train": toy.PLACES[:1], "val": toy.PLACES[1:2], "test": toy.PLACES[2:]}
    job = toy.job(tmp_path, above=(1.0,), split=places)
    report = build("toy", job, score(job))
    assert report["protocol"]["kind"] == "fixed places"
    assert report["units"] == list(toy.PLACES[2:])


def test_the_table_has_a_row_a_method_and_names_simulated_scores(report):
    lines = table(report).splitlines()
    assert "simulated scenes, no real-world score" in lines[0]
    assert [line.split("|")[1].strip() for line in lines[4:]] == [
        "**candidate**",
        "high (baseline)",
        "all-unchanged (control)",
    ]
    assert "undefined" in lines[-1]


def test_the_units_table_has_a_row_a_unit(report):
    lines = units_table(report).splitlines()
    assert lines[0] == "| unit | candidate | high | all-unchanged |"
    assert len(lines) == 12


def test_evaluation_writes_report_timings_and_a_picture_a_unit(job, tmp_path):
    report = evaluate("toy", job, tmp_path / "data", tmp_path / "state")
    assert read_report(tmp_path / "data/reports/toy.json")["digest"] == report["digest"]
    cost = cost_in(json.loads((tmp_path / "data/timings/toy.json").read_text()))
    assert cost.seconds_per_megapixel > 0
    pictures = sorted(path.name for path in (tmp_path / "state/pictures/toy").iterdir())
    assert pictures == [*(f"{place}.png" for place in toy.PLACES), "scores.png"]


def test_timings_stay_out_of_the_report(report):
    assert "second" not in json.dumps(report)


def test_the_headline_names_the_best_baseline_and_simulated_scenes(report):
    found = headline(report)
    assert found.candidate.startswith("f1 0.9")
    assert (found.baseline.split()[0], found.units) == ("high", "10 units, simulated")


def test_the_stage_names_an_unknown_run_without_a_traceback(caplog):
    assert main(["change-nothing"]) == 1
    assert "no run named 'change-nothing'" in caplog.text
