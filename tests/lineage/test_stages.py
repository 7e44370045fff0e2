from __future__ import annotations

import re

import pytest
import yaml

from components.errors import BadParams, UnknownName
from components.lineage.closure import import_closure
from components.lineage.runs import UNREAD
from components.lineage.stages import ENTRIES, differing, main, pipelines, write
from tests.lineage.toy import ROOT


def test_the_files_in_git_are_as_computed():
    assert differing(ROOT) == (), "run python -m components.lineage.stages --write"


def test_sandbox_runs_are_in_the_root_and_others_in_data(project):
    assert set(yaml.safe_load((project / "dvc.yaml").read_text())["stages"]) == {
        "simulate-box", "prepare-toy-a", "train-toy-a", "evaluate-toy-a", "prepare-toy-b", "train-toy-b",
        "evaluate-toy-b",
    }  # fmt: skip
    external = yaml.safe_load((project / "data/dvc.yaml").read_text())["stages"]
    assert set(external) == {"prepare-toy-far", "train-toy-far", "evaluate-toy-far"}
    assert all(stage["wdir"] == ".." for stage in external.values())


def test_a_stage_depends_on_its_code_and_its_data_only(project):
    deps = pipelines(project)["dvc.yaml"]["stages"]["train-toy-a"]["deps"]
    assert {"components/training/__main__.py", "models/toy.py", "data/prepared/toy-a"} <= set(deps)
    assert not {"components/raster/text.py", "components/tasks/toy/CARD.md", "components/unused.py"} & set(deps)


def test_a_quarantine_is_a_dependency_of_its_datasets_prepare_stages_only(project):
    before = pipelines(project)
    (project / "data/sources/far/quarantine.parquet").touch()
    after = pipelines(project)
    assert after["dvc.yaml"] == before["dvc.yaml"]
    differ = {
        name
        for name, each in after["data/dvc.yaml"]["stages"].items()
        if each != before["data/dvc.yaml"]["stages"][name]
    }
    assert differ == {"prepare-toy-far"}
    assert "data/sources/far/quarantine.parquet" in after["data/dvc.yaml"]["stages"]["prepare-toy-far"]["deps"]


def test_training_reads_its_keys_and_not_the_gates(project):
    params = pipelines(project)["dvc.yaml"]["stages"]["train-toy-a"]["params"]
    assert params == [{"components/tasks/toy/params/toy-a.yaml": ["dataset", "split", "task", "training"]}]


@pytest.mark.parametrize("stage", sorted(UNREAD))
def test_no_stage_reads_a_key_that_it_does_not_depend_on(stage):
    tasks = [path.parent.name for path in ROOT.glob("components/tasks/*/params")]
    files = import_closure([ENTRIES[stage], *(f"components.tasks.{task}" for task in tasks)], ROOT)
    words = re.compile(rf"params\.({'|'.join(UNREAD[stage])})\b")
    assert [file for file in files if words.search((ROOT / file).read_text())] == []


def test_a_new_import_shows_as_a_difference_until_written(project):
    code = project / "components/training/__main__.py"
    code.write_text("import components.unused\n" + code.read_text())
    assert differing(project) == ("dvc.yaml", "data/dvc.yaml")
    assert write(project) == ("dvc.yaml", "data/dvc.yaml")
    assert differing(project) == ()


def test_a_card_or_a_comment_is_no_difference(project):
    (project / "components/tasks/toy/CARD.md").write_text("Another card.\n")
    (project / "components/training/__main__.py").open("a").write("# a comment\n")
    assert differing(project) == ()


def test_check_says_by_its_exit_code_whether_files_are_current(project, monkeypatch):
    monkeypatch.chdir(project)
    assert main(["--check"]) == 0
    (project / "dvc.yaml").write_text("stages: {}\n")
    assert main(["--check"]) == 1
    assert (main(["--write"]), main(["--check"])) == (0, 0)


def test_a_run_without_dataset_is_refused_by_file_and_key(project):
    (project / "components/tasks/toy/params/toy-a.yaml").write_text("task: toy\n")
    with pytest.raises(BadParams, match=r"toy-a\.yaml: dataset"):
        pipelines(project)


def test_an_unknown_dataset_is_answered_with_the_known_ones(project):
    path = project / "components/tasks/toy/params/toy-a.yaml"
    path.write_text(path.read_text().replace("box", "bix"))
    with pytest.raises(UnknownName, match="no dataset named 'bix'; known: box, far"):
        pipelines(project)
