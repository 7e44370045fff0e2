import json
import shutil

import pytest
import yaml

from components.errors import LineageBroken, VersionCorrupt
from components.evaluation import compare as module
from components.evaluation.champion import version_id
from components.evaluation.compare import compare, judge, main
from components.evaluation.evidence import Cost
from components.evaluation.report import build
from components.evaluation.scoring import score
from components.evaluation.seal import digest_of, read_report, sealed, write_report
from tests.evaluation import toy


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return toy.job(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def report(job):
    return build("toy", job, score(job))


def version(folder, above, **changes):
    """A version folder as the registry hands it out: weights, parameters and manifest."""
    params = toy.params(**changes)
    toy.learn(folder, params, above)
    (folder / "params.yaml").write_text(yaml.safe_dump(json.loads(params.model_dump_json())))
    (folder / "manifest.json").write_text(json.dumps({"run": "toy", "above": list(above)}))
    return folder


def judged(job, report, champion, tmp_path):
    return judge(job, report, champion, cost=Cost(1, 1), cache=tmp_path / "cache")


def test_without_a_version_in_service_the_baselines_decide(job, report, tmp_path):
    found = judged(job, report, None, tmp_path)
    assert found.decision.passed
    assert "no version is in service yet" in found.decision.reasons
    assert (found.content["champion"], set(found.content["gains"])) == (None, {"high"})


def test_a_worse_champion_is_replaced(job, report, tmp_path):
    found = judged(job, report, version(tmp_path / "v1", (1.9, 1.9, 1.9)), tmp_path)
    assert found.decision.passed
    assert found.content["gains"]["champion"]["low"] > 0


def test_an_equal_champion_stays(job, report, tmp_path):
    found = judged(job, report, version(tmp_path / "v1", (1.0, 1.0, 1.0)), tmp_path)
    assert not found.decision.passed
    assert found.content["gains"]["champion"]["value"] == 0
    assert found.decision.reasons[0].startswith("f1 ")


def test_the_champion_is_scored_with_the_numbers_of_each_fold(job, report, tmp_path):
    found = judged(job, report, version(tmp_path / "v1", (1.0, 9.0, 1.0)), tmp_path)
    blind = {unit for unit, scores in found.content["units"].items() if scores["champion"] == 0}
    assert blind == set(toy.GROUPS[1])


def test_a_champion_that_may_know_the_test_places_is_refused_by_name(job, report, tmp_path):
    groups = (toy.PLACES[:3], toy.PLACES[3:7], toy.PLACES[7:])
    champion = version(tmp_path / "v1", (9.0, 9.0, 9.0), split={"kind": "folds", "groups": groups})
    found = judged(job, report, champion, tmp_path)
    assert len(found.decision.reasons) == 1
    assert "its fold-0 held out place-0, place-1, place-2, the candidate's place-0" in found.decision.reasons[0]


def unreadable(folder, report):
    champion = version(folder, (9.0, 9.0, 9.0))
    (champion / "folds/fold-0.safetensors").write_bytes(b"broken")
    write_report(report, champion / "report.json")
    return champion


def test_a_champion_whose_weights_cannot_be_read_is_refused_by_name(job, report, tmp_path):
    champion = unreadable(tmp_path / "v1", sealed({**report, "prepared": "other chips"}))
    reasons = judged(job, report, champion, tmp_path).decision.reasons
    assert any(version_id(champion) in reason and "cannot be compared" in reason for reason in reasons)


def test_a_champion_that_today_s_code_cannot_load_stands_by_its_report_on_the_same_chips(job, report, tmp_path):
    champion = unreadable(tmp_path / "v1", report)
    reasons = judged(job, report, champion, tmp_path).decision.reasons
    assert any("champion" in reason and "difference 0" in reason for reason in reasons)


def test_a_champion_is_scored_once_per_version_and_chips(job, report, tmp_path):
    champion = version(tmp_path / "v1", (1.9, 1.9, 1.9))
    first = judged(job, report, champion, tmp_path)
    shutil.rmtree(champion / "folds")
    assert judged(job, report, champion, tmp_path).content == first.content


def test_a_damaged_cache_is_scored_anew(job, report, tmp_path):
    champion = version(tmp_path / "v1", (1.9, 1.9, 1.9))
    first = judged(job, report, champion, tmp_path)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_text(path.read_text().replace("place-0", "place-9"))
    assert judged(job, report, champion, tmp_path).content == first.content


def test_a_report_edited_by_hand_is_not_judged(job, report, tmp_path):
    forged = json.loads(json.dumps(report))
    forged["methods"]["high"]["scores"]["f1"]["value"] = 0.1
    with pytest.raises(LineageBroken, match="changed after evaluation"):
        judged(job, forged, None, tmp_path)
    forged["digest"] = digest_of(forged)
    with pytest.raises(LineageBroken, match="does not follow"):
        judged(job, forged, None, tmp_path)


def test_a_report_of_other_chips_is_not_judged(job, report, tmp_path):
    other = {**report, "prepared": "0" * 64}
    with pytest.raises(LineageBroken, match="other chips"):
        judged(job, {**other, "digest": digest_of(other)}, None, tmp_path)


def test_a_folder_without_manifest_is_no_version(job, report, tmp_path):
    champion = version(tmp_path / "v1", (1.9, 1.9, 1.9))
    (champion / "manifest.json").unlink()
    with pytest.raises(VersionCorrupt, match=r"manifest\.json is missing"):
        judged(job, report, champion, tmp_path)


def test_the_comparison_is_sealed_and_says_what_it_compared(job, report, tmp_path):
    champion = version(tmp_path / "v1", (1.9, 1.9, 1.9))
    content = judged(job, report, champion, tmp_path).content
    assert content["champion"] == version_id(champion)
    assert content["report"] == report["digest"]
    assert content["digest"] == digest_of(content)


def test_the_page_shows_verdict_checks_and_units(job, report, tmp_path):
    page = judged(job, report, None, tmp_path).markdown
    assert page.startswith("### toy may be promoted")
    assert "✅ no version is in service yet" in page
    assert page.count("| place-") == 10


@pytest.fixture
def root(job, report, tmp_path, monkeypatch):
    """A checkout that holds the evaluated toy run."""
    monkeypatch.setattr(module, "load_task", lambda name: job.task)
    params = tmp_path / "components/tasks/toy/params/toy.yaml"
    params.parent.mkdir(parents=True)
    params.write_text(yaml.safe_dump(json.loads(job.params.model_dump_json())))
    shutil.copytree(job.prepared.folder, tmp_path / "data/prepared/toy")
    write_report(report, tmp_path / "data/reports/toy.json")
    return tmp_path


def test_a_run_is_compared_from_what_its_checkout_holds(root):
    assert compare(root, "toy", None, cache=root / "cache").decision.passed


def test_a_budget_is_judged_by_the_timings_of_the_checkout(root, job):
    path = root / "components/tasks/toy/params/toy.yaml"
    path.write_text(path.read_text().replace("max_peak_memory_mb: null", "max_peak_memory_mb: 10"))
    assert "was not measured" in compare(root, "toy", None, cache=root / "cache").decision.reasons[0]
    (root / "data/timings").mkdir()
    timing = {"candidate": {"seconds_per_megapixel": 1, "peak_memory_mb": 20}}
    (root / "data/timings/toy.json").write_text(json.dumps(timing))
    assert "20 MB peak memory is above" in compare(root, "toy", None, cache=root / "cache").decision.reasons[0]


def test_the_command_writes_the_comparison_and_ends_well(root, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["toy", "--out", "decision.json"]) == 0
    assert read_report(root / "decision.json")["passed"] is True


def test_the_command_says_what_is_missing_in_one_sentence(root, monkeypatch, caplog):
    monkeypatch.chdir(root)
    (root / "data/reports/toy.json").unlink()
    assert main(["toy", "--out", "decision.json"]) == 1
    assert "run the evaluate stage" in caplog.text
