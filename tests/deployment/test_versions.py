from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
from safetensors.numpy import save_file

from components.deployment.card import MLM
from components.deployment.draft import draft
from components.deployment.golden import golden_inputs
from components.deployment.loading import load_version, require_golden
from components.deployment.manifest import MANIFEST, write_manifest
from components.errors import VersionCorrupt, VersionNotFound
from tests.deployment.toy import CODE, ToyTask, provenance, toy_project, toy_version, use_toy

RUN = "change-toy"


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    use_toy(monkeypatch)


@pytest.fixture
def version(tmp_path):
    return toy_version(tmp_path, RUN)


def all_bytes(folder: Path):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_inputs_give_the_same_version(version, tmp_path):
    again = toy_version(tmp_path / "again", RUN)
    assert again[0].id == version[0].id
    assert all_bytes(again[1]) == all_bytes(version[1])


def test_a_version_holds_weights_parameters_report_card_and_golden_request(version):
    assert set(version[0].digests) == {
        "weights.safetensors", "preprocessing.json", "training.json", "params.yaml", "report.json", "item.json",
        "golden/index.parquet", "golden/shard-000.safetensors",
    }  # fmt: skip


def test_a_run_that_was_not_evaluated_makes_no_version(tmp_path):
    project = toy_project(tmp_path, RUN)
    (project / "data" / "reports" / f"{RUN}.json").unlink()
    with pytest.raises(VersionNotFound, match="run the evaluate stage of change-toy first"):
        draft(RUN, project, tmp_path / "version", provenance())


def test_a_loaded_version_carries_what_was_learnt(version):
    loaded = load_version(version[1])
    assert (loaded.run, loaded.id, loaded.task_name, loaded.code_digest) == (RUN, version[0].id, "change", CODE)
    assert loaded.method.weight.tolist() == [1.0, 1.0]
    require_golden(loaded)


@pytest.mark.parametrize(
    "state",
    [
        {"other": np.zeros(2, np.float32)},
        {"weight": np.zeros(3, np.float32)},
        {"weight": np.zeros(2, np.float64)},
        {"weight": np.zeros(2, np.float32), "more": np.zeros(1, np.float32)},
    ],
    ids=["name", "shape", "dtype", "extra"],
)
def test_a_tensor_of_another_kind_is_refused(version, state):
    save_file(state, version[1] / "weights.safetensors")
    write_manifest(RUN, version[1])
    with pytest.raises(VersionCorrupt, match="toy"):
        load_version(version[1])


def test_a_changed_byte_is_refused_before_anything_is_read(version):
    path = version[1] / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(VersionCorrupt, match=r"weights\.safetensors holds other bytes"):
        load_version(version[1])


def test_other_numbers_fail_the_golden_request(version):
    save_file({"weight": np.array([1.0, 1.3], np.float32)}, version[1] / "weights.safetensors")
    write_manifest(RUN, version[1])
    with pytest.raises(VersionCorrupt, match=r"golden request: (change has only|probability is off)"):
        require_golden(load_version(version[1]))


def test_golden_inputs_fit_the_spec_and_hold_an_empty_corner():
    spec = ToyTask().spec(None)
    inputs = golden_inputs(spec)
    for each in spec.inputs:
        scene = inputs[each.name]
        assert (scene.bands, scene.unit, scene.grid.pixel_size_m) == (each.bands, each.unit, (10.0, 10.0))
        assert not scene.valid[:4, :5].any()
        assert scene.valid[4:].all()
    assert not np.array_equal(inputs["before"].array, inputs["after"].array)


def test_the_card_is_a_stac_item_with_the_model_extension(version):
    item = json.loads((version[1] / "item.json").read_text())
    properties = item["properties"]
    assert MLM in item["stac_extensions"]
    assert pystac.Item.from_dict({**item, "stac_extensions": []}).validate() is not None
    assert properties["mlm:total_parameters"] == 2
    assert properties["mlm:input"][0]["input"]["shape"] == [-1, 2, -1, -1]
    assert [output["name"] for output in properties["mlm:output"]] == ["change", "probability"]
    assert (properties["swath:code_digest"], properties["datetime"]) == (CODE, "2025-01-02T03:04:05Z")
    assert "mlm:model" in item["assets"]["weights"]["roles"]
    candidate = properties["swath:scores"]["methods"]["candidate"]
    assert candidate == {"role": "candidate", "scores": {"f1": {"value": 0.9, "low": 0.8, "high": 0.95}}}


def test_every_file_that_the_card_names_is_in_the_version(version):
    item = json.loads((version[1] / "item.json").read_text())
    assert all((version[1] / asset["href"]).is_file() for asset in item["assets"].values())
    assert (version[1] / MANIFEST).is_file()
