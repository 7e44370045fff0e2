from __future__ import annotations

import re
import subprocess

import pytest

from components.errors import LineageBroken
from components.lineage.checkouts import checkout
from components.lineage.commands import dvc
from components.lineage.commit import commit_run
from components.lineage.merge import merge
from components.lineage.pipeline import recorded
from components.lineage.repro import repro
from components.lineage.union import union
from tests.lineage.toy import commit_all, is_clean, run_git


def _run(project, run, stage="evaluate"):
    with checkout(project) as work:
        repro(work, f"{stage}-{run}")
        return commit_run(work, run, f"Run {run}")


def test_a_run_ends_as_one_commit_on_its_branch(project):
    branch = _run(project, "toy-a")
    assert re.fullmatch(r"runs/toy-a/\d{8}T\d{6}Z", branch)
    assert run_git(project, "rev-list", "--count", f"main..{branch}") == "1"
    assert run_git(project, "diff", "--name-only", "main", branch).splitlines() == [
        "data/lineage/prepare-toy-a.json", "data/lineage/simulate-box.json", "data/lineage/train-toy-a.json",
        "data/reports/toy-a.json", "data/timings/toy-a.json", "dvc.lock",
    ]  # fmt: skip
    assert is_clean(project)


def test_two_runs_of_one_second_have_two_branches(made):
    with checkout(made) as work:
        names = {commit_run(work, "toy-a", "again") for _ in range(3)}
    assert len(names) == 3


def test_a_run_that_changed_code_is_not_committed(made):
    with checkout(made) as work:
        (work.path / "models/toy.py").write_text("NET = 'edited'\n")
        with pytest.raises(LineageBroken, match=r"the run changed models/toy\.py"):
            commit_run(work, "toy-a", "no")


def test_a_quarantine_is_a_result_and_pipeline_files_only_where_named(made):
    with checkout(made) as work:
        (work.path / "data/sources/box/quarantine.parquet").write_text("rows")
        commit_run(work, "toy-a", "kept")
        (work.path / "dvc.yaml").write_text("stages: {}\n")
        with pytest.raises(LineageBroken, match=r"the run changed dvc\.yaml"):
            commit_run(work, "toy-a", "no")
        assert commit_run(work, "toy-a", "kept with its pipeline", ("dvc.yaml",)).startswith("runs/toy-a/")


@pytest.mark.slow
def test_two_first_runs_come_home_although_git_alone_cannot(project):
    branches = [_run(project, run, "prepare") for run in ("toy-a", "toy-b")]
    run_git(project, "merge", "--quiet", "--ff-only", branches[0])
    plain = subprocess.run(["git", "merge", branches[1]], cwd=project, capture_output=True, check=False)
    assert plain.returncode != 0
    run_git(project, "merge", "--abort")
    run_git(project, "reset", "--quiet", "--hard", "HEAD~")
    assert set(merge(project, branches[0]).stages) == {"simulate-box", "prepare-toy-a"}
    assert merge(project, branches[1]).stages == ("prepare-toy-b",)
    assert set(recorded(project)) == {"simulate-box", "prepare-toy-a", "prepare-toy-b"}
    status = dvc(project, "status", "simulate-box", "prepare-toy-a", "prepare-toy-b")
    assert status == "Data and pipelines are up to date.\n"
    assert is_clean(project)


def test_a_merged_branch_merges_again_as_nothing(made):
    branch = _run(made, "toy-a")
    assert merge(made, branch).stages == ()
    assert merge(made, branch).stages == ()


def test_a_run_on_code_that_has_changed_meanwhile_stays_out(project):
    branch = _run(project, "toy-a", "prepare")
    (project / "models/toy.py").write_text("NET = 'newer'\n")
    head = commit_all(project, "newer")
    with pytest.raises(LineageBroken, match=r"out of date on the merged code: .*models/toy\.py modified"):
        merge(project, branch)
    assert run_git(project, "rev-parse", "HEAD") == head
    assert is_clean(project)


@pytest.mark.slow
def test_a_stage_with_two_results_is_refused_by_name(project):
    branches = []
    for number in (7, 8):
        run_git(project, "checkout", "--quiet", "-B", f"try-{number}", "main")
        path = project / "components/tasks/toy/params/toy-a.yaml"
        path.write_text(path.read_text().replace("split: x", f"split: {number}"))
        commit_all(project, f"try {number}")
        branches.append(_run(project, "toy-a", "prepare"))
    head = run_git(project, "rev-parse", "HEAD")
    merge(project, branches[1])
    with pytest.raises(LineageBroken, match=r"dvc\.lock: both sides have a result of prepare-toy-a;"):
        merge(project, branches[0])
    assert run_git(project, "rev-parse", "HEAD~") == head
    assert is_clean(project)


@pytest.mark.slow
def test_outputs_that_a_user_changed_are_not_overwritten(made):
    (made / "models/toy.py").write_text("NET = 'newer'\n")
    head = commit_all(made, "newer")
    branch = _run(made, "toy-a", "train")
    weights = made / "models/weights/toy-a/weights.txt"
    weights.unlink()
    weights.write_text("mine")
    with pytest.raises(LineageBroken, match="models/weights/toy-a: changed here and not recorded"):
        merge(made, branch)
    assert (run_git(made, "rev-parse", "HEAD"), weights.read_text()) == (head, "mine")


def _entry(*outs):
    return {"cmd": "x", "outs": [{"path": path, "md5": md5} for path, md5 in outs]}


def test_of_two_timings_of_the_same_result_either_will_do():
    ours = {"evaluate-a": _entry(("data/reports/a.json", "1"), ("data/timings/a.json", "2"))}
    theirs = {"evaluate-a": _entry(("data/reports/a.json", "1"), ("data/timings/a.json", "3"))}
    assert union({}, ours, theirs, "dvc.lock") == theirs


def test_a_stage_that_one_side_removed_stays_removed():
    old = {"a": _entry(("x", "1")), "b": _entry(("y", "1"))}
    assert union(old, old, {"a": old["a"]}, "dvc.lock") == {"a": old["a"]}
    assert union(old, {"a": old["a"]}, old, "dvc.lock") == {"a": old["a"]}
