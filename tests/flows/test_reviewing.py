"""The review flow merges corrections in a checkout of its own: the old version stays where it was."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from components.errors import LineageBroken, UnknownName
from components.lineage.checkouts import checkout
from components.lineage.commands import git
from components.lineage.commit import commit_run
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise, track
from components.review.__main__ import main
from components.review.project import version_of
from components.settings import Settings
from flows.steps import reviewing
from tests.lineage.toy import make_project
from tests.review.projects import answered, drawn, make_dataset, review, save

RAW = "data/sources/far/raw"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in git whose dataset `far` is tracked by DVC; flows work on it without a store."""
    folder = make_project(tmp_path / "project")

    @contextmanager
    def workplace(name, commit):
        with checkout(folder, commit, name=name) as place:
            yield place

    def run_module(place, module, *arguments):
        said = StringIO()
        monkeypatch.setattr(sys, "stdout", said)
        assert main([*arguments, "--root", str(place.path)]) == 0
        return said.getvalue()

    monkeypatch.setattr(reviewing, "workplace", workplace)
    monkeypatch.setattr(reviewing, "run_module", run_module)
    monkeypatch.setattr(reviewing, "finish", lambda place, run, _, what: {"commit": commit_run(place, run, what)})
    monkeypatch.setattr(reviewing, "show_text", lambda *_: None)
    monkeypatch.setattr(reviewing, "load_settings", lambda: Settings(project=folder))
    return folder


@pytest.mark.slow
def test_a_merged_review_is_a_commit_and_the_old_version_is_still_there(project: Path, tmp_path: Path) -> None:
    with checkout(project) as place:
        make_dataset(place.path / RAW, name="far")
        track(place, RAW)
        first = commit_run(place, "far", "ingest far")
        asked = review(place.path / RAW, project / ".swath" / "review" / "mine", name="far")
    tasks = answered(project / ".swath" / "review" / "mine")
    tasks[0]["annotations"][0]["result"] = [drawn("changed", [[0, 0], [50, 0], [50, 50], [0, 50]])]
    file = str(save(tasks, tmp_path / "answer.json"))

    done = reviewing.merge("far", "mine", file, "", first)
    versions = []
    for commit in (first, done["commit"]):
        with checkout(project, commit) as place:
            materialise(place, Pipeline(place.path), [RAW])
            versions.append(version_of(place.path / RAW))
    assert versions == [asked.version, done["version"]]
    assert versions[0] != versions[1]

    branches = git(project, "branch", "--list", "runs/*")
    again = reviewing.merge("far", "mine", file, "", done["commit"])
    assert again["known"] == ["a@16,16"]
    assert git(project, "branch", "--list", "runs/*") == branches  # nothing new, no commit


def test_a_dataset_that_a_stage_makes_is_not_corrected(project: Path, tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", name="box")
    review(raw, project / ".swath" / "review" / "mine", name="box")
    with pytest.raises(LineageBroken, match="made by a stage"):
        reviewing.merge("box", "mine", str(save([], tmp_path / "answer.json")), "", "HEAD")


def test_a_review_that_is_not_there_or_of_another_dataset_is_named(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'mine'"):
        reviewing.merge("far", "mine", "", "", "HEAD")
    review(make_dataset(tmp_path / "raw", name="box"), project / ".swath" / "review" / "mine", name="box")
    with pytest.raises(UnknownName, match="'far'"):
        reviewing.merge("far", "mine", "", "", "HEAD")
