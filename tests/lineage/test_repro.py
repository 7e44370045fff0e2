from __future__ import annotations

import shutil
import threading

import pytest
import yaml

from components.errors import LineageBroken, StageFailed, UnknownName
from components.lineage.checkouts import checkout
from components.lineage.commands import dvc
from components.lineage.manifest import read_manifest, sha256
from components.lineage.pipeline import recorded
from components.lineage.repro import repro
from tests.lineage.toy import commit_all, is_clean


def _edit(path, text):
    path.write_text(path.read_text() + text)


def test_a_stage_brings_what_it_needs_and_leaves_a_manifest(project):
    lines = []
    with checkout(project) as work:
        result = repro(work, "train-toy-a", on_line=lines.append)
        weights = work.path / "models/weights/toy-a/weights.txt"
        manifest = read_manifest(work.path / "data/lineage/train-toy-a.json")
        assert manifest["models/weights/toy-a"]["files"] == {"weights.txt": sha256(weights)}
        assert set(recorded(work.path)) == {"simulate-box", "prepare-toy-a", "train-toy-a"}
    assert (result.stage, result.changed, result.how) == ("train-toy-a", True, "computed")
    assert "training toy-a" in lines
    assert is_clean(project)


@pytest.mark.slow
def test_a_user_and_a_flow_get_the_same_record(made):
    with checkout(made) as work:
        (work.path / "dvc.lock").unlink()
        for stage in ("train-toy-a", "train-toy-b"):
            repro(work, stage)
        theirs = recorded(made)
        assert recorded(work.path) == {name: theirs[name] for name in recorded(work.path)}


def test_what_is_up_to_date_is_brought_and_nothing_else(made):
    with checkout(made) as work:
        result = repro(work, "train-toy-a")
        assert (result.changed, result.how) == (False, "unchanged")
        assert (work.path / "models/weights/toy-a/weights.txt").is_file()
        assert not (work.path / "data/prepared").exists()


@pytest.mark.slow
def test_two_flows_with_the_same_work_compute_it_once(project, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_COUNT", str(tmp_path / "count"))
    monkeypatch.setenv("TOY_SLEEP", "0.5")
    results = []

    def flow():
        with checkout(project) as work:
            results.append(repro(work, "train-toy-a"))
            assert (work.path / "models/weights/toy-a/weights.txt").is_file()

    threads = [threading.Thread(target=flow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.how for result in results) == ["computed", "restored"]
    assert (tmp_path / "count").read_text().count("started") == 1


@pytest.mark.parametrize(
    "file", ["models/toy.py", "components/tasks/toy/params/toy-a.yaml", "data/prepared/toy-a/chips.txt"]
)
def test_an_edit_during_a_stage_fails_it_and_nothing_is_recorded(made, monkeypatch, file):
    _edit(made / "components/training/__main__.py", "# newer\n")
    commit_all(made, "newer training")
    monkeypatch.setenv("TOY_SLEEP", "0.3")
    with checkout(made) as work:
        before = recorded(work.path)
        entries = set((made / ".dvc/cache/runs").glob("*/*/*"))

        def edit(line):
            if line.startswith("training"):
                path = work.path / file
                path.write_text(path.read_text() + "\n") if path.suffix != ".txt" else _replace(path)

        with pytest.raises(LineageBroken, match=f"inputs changed while it ran: {file}"):
            repro(work, "train-toy-a", on_line=edit)
        assert recorded(work.path) == before
        assert set((made / ".dvc/cache/runs").glob("*/*/*")) == entries


def _replace(path):
    path.unlink()  # a link into the cache, which must stay as it is
    path.write_text("other chips")


def test_a_command_that_fails_is_told_with_its_last_words(project):
    _edit(project / "components/training/__main__.py", "raise SystemExit('the loss is not a number')\n")
    commit_all(project, "broken")
    with checkout(project) as work:
        with pytest.raises(StageFailed, match=r"train-toy-a failed: .*the loss is not a number"):
            repro(work, "train-toy-a")
        assert "train-toy-a" not in recorded(work.path)
    assert is_clean(project)


def test_an_unknown_stage_is_answered_with_the_known_ones(project):
    with checkout(project) as work, pytest.raises(UnknownName, match=r"no stage named 'train-toy-x'.*train-toy-a"):
        repro(work, "train-toy-x")


def test_an_interrupted_stage_leaves_a_clean_tree(project, monkeypatch):
    monkeypatch.setenv("TOY_SLEEP", "30")

    def interrupt(line):
        if line.startswith("training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), checkout(project) as work:
        repro(work, "train-toy-a", on_line=interrupt)
    assert is_clean(project)


@pytest.mark.slow
def test_recorded_data_that_is_nowhere_is_made_again(made):
    dvc(made, "gc", "--quiet", "--force", "--workspace")
    for path in (made / ".dvc/cache/files").rglob("*"):
        if path.is_file():
            path.unlink()
    with checkout(made) as work:
        result = repro(work, "train-toy-a")
        assert (result.how, result.changed) == ("computed", False)


@pytest.mark.slow
def test_what_was_made_from_other_data_is_made_again_although_that_data_is_not_here(made, monkeypatch):
    """Another machine simulates other bits with the same code; what it trains must not be scored by the old report."""
    monkeypatch.setenv("TOY_MACHINE", "another processor")
    shutil.rmtree(made / ".dvc/cache/runs")
    with checkout(made) as work:
        entries = yaml.safe_load((work.path / "dvc.lock").read_text())
        for stage in ("simulate-box", "prepare-toy-a", "train-toy-a"):
            del entries["stages"][stage]
        (work.path / "dvc.lock").write_text(yaml.safe_dump(entries))
        assert repro(work, "train-toy-a").how == "computed"
        shutil.copy(work.path / "dvc.lock", made / "dvc.lock")
        shutil.copytree(work.path / "data/lineage", made / "data/lineage", dirs_exist_ok=True)
    commit_all(made, "trained elsewhere")
    with checkout(made) as work:
        before = (work.path / "data/reports/toy-a.json").read_bytes()
        assert repro(work, "evaluate-toy-a").how == "computed"
        assert (work.path / "data/reports/toy-a.json").read_bytes() != before
        assert repro(work, "evaluate-toy-a").how == "unchanged"


def test_code_from_elsewhere_is_not_what_a_stage_runs(project, tmp_path, monkeypatch):
    (tmp_path / "foreign/components").mkdir(parents=True)
    (tmp_path / "foreign/components/__init__.py").write_text("raise RuntimeError('foreign code')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "foreign"))
    with checkout(project) as work:
        assert repro(work, "simulate-box").how == "computed"
