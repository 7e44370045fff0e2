import ast
import json
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from components.tasks import run_names
from flows.artifacts import key, publish
from flows.names import DatasetName, RunName

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
LONGEST_BODY = 25


def flow_function(entrypoint):
    path, name = entrypoint.split(":")
    tree = ast.parse((ROOT / path).read_text())
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


@pytest.mark.parametrize("entry", DEPLOYMENTS, ids=lambda entry: entry["name"])
def test_flow_bodies_are_short_and_do_not_compute(entry):
    function = flow_function(entry["entrypoint"])
    assert function.body[-1].end_lineno - function.body[0].lineno <= LONGEST_BODY
    assert not [
        node for node in ast.walk(function) if isinstance(node, ast.BinOp) and not in_annotation(function, node)
    ]


def in_annotation(function, wanted):
    notes = [argument.annotation for argument in function.args.args] + [function.returns]
    return any(node is wanted for note in notes if note for node in ast.walk(note))


@pytest.mark.parametrize("entry", DEPLOYMENTS, ids=lambda entry: entry["name"])
def test_every_parameter_is_described_for_the_form(entry):
    function = flow_function(entry["entrypoint"])
    described = ast.get_docstring(function).partition("Args:")[2]
    assert all(f"{argument.arg}:" in described for argument in function.args.args)


def test_training_is_the_only_flow_of_the_gpu_pool():
    assert [entry["name"] for entry in DEPLOYMENTS if entry["work_pool"]["name"] == "gpu"] == ["train"]


def test_the_form_offers_the_runs_that_exist_and_refuses_others():
    adapter = TypeAdapter(RunName)
    assert adapter.json_schema()["enum"] == list(run_names())
    assert adapter.validate_python(run_names()[0]) == run_names()[0]
    with pytest.raises(ValidationError, match="change-nothing"):
        adapter.validate_python("change-nothing")


def test_the_form_offers_every_declared_dataset():
    declared = {path.parent.name for path in (ROOT / "data" / "sources").glob("*/dataset.yaml")}
    assert set(TypeAdapter(DatasetName).json_schema()["enum"]) == declared


def test_artifact_keys_are_what_prefect_accepts():
    assert key("change-sandbox", "TERRA_01.b") == "change-sandbox-terra-01-b"


def test_published_folders_appear_under_the_reports_url(tmp_path):
    from components.settings import Settings

    source = tmp_path / "pictures"
    source.mkdir()
    (source / "a.json").write_text(json.dumps([1]))
    settings = Settings(project=tmp_path, reports_url="http://127.0.0.1:1")
    assert publish(settings, source, "run/x") == "http://127.0.0.1:1/run/x"
    shown = tmp_path / ".swath" / "reports" / "run" / "x"
    assert (shown / "a.json").read_text() == "[1]"
    (source / "a.json").unlink()
    (source / "b.json").write_text("[2]")
    publish(settings, source, "run/x")
    assert [path.name for path in shown.iterdir()] == ["b.json"]  # nothing of the check before
    assert [path.name for path in shown.parent.iterdir()] == ["x"]
