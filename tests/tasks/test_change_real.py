"""The change task on the twelve real fires: what the classical method reaches is known."""

import os
from pathlib import Path

import numpy as np
import pytest

from components.inference.tiled import predict
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.tasks import load_run
from components.tasks.seam import Sample

PROJECT = Path(__file__).resolve().parents[2]
FIRES = (
    Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data")) / "change_optical/s2_california_wildfire"
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FIRES.is_dir(), reason=f"the real fires are not at {FIRES}; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources") / "california-fires"
    folder.mkdir()
    declaration = PROJECT / "data/sources/california-fires/dataset.yaml"
    (folder / "dataset.yaml").write_text(declaration.read_text())
    ingest(FIRES, folder)
    task, params = load_run("change-burned")
    return list(task.prepare(read_sources(folder / "raw"), params))


def test_every_fire_stands_in_exactly_one_group_of_the_split(chips):
    _, params = load_run("change-burned")
    groups = [place for group in params.split.groups for place in group]
    assert sorted(groups) == sorted(chip.place for chip in chips)


def test_dnbr_with_otsu_reaches_what_is_known_of_it(chips):
    task, params = load_run("change-burned")
    method = task.methods(params).baselines["dnbr-otsu"]
    rows = {chip.place: task.measure(_sample(chip), predict(method, chip.inputs)) for chip in chips}
    assert task.summarise([row for each in rows.values() for row in each])["f1"] == pytest.approx(0.52, abs=0.005)
    alone = {place: task.summarise(each)["f1"] for place, each in rows.items()}
    assert sum(f1 > 0.8 for f1 in alone.values()) == 6
    assert alone["66"] < 0.1


def test_borders_without_data_are_neither_answered_nor_counted(chips):
    task, params = load_run("change-burned")
    chip = next(each for each in chips if each.place == "1-12")
    seen = chip.inputs["before"].valid & chip.inputs["after"].valid
    assert 0.99 < seen.mean() < 1
    outputs = predict(task.methods(params).candidate, chip.inputs)
    assert np.array_equal(outputs["change"].valid, seen)
    values = task.measure(_sample(chip), outputs)[0].values
    assert sum(values[key] for key in ("tp", "fp", "fn", "tn")) == seen.sum()


def _sample(chip):
    return Sample(chip.id, chip.place, chip.inputs, chip.targets)


@pytest.mark.parametrize("dataset", ["levir-cd", "dsifn"])
@pytest.mark.parametrize("method", ["cva-otsu", "pca-kmeans"])
def test_pictures_without_a_place_are_ingested_and_predicted(dataset, method, tmp_path):
    folder = FIRES.parent / {"levir-cd": "levir_cd_samples", "dsifn": "dsifn_samples"}[dataset]
    if not folder.is_dir():
        pytest.skip(f"the real samples are not at {folder}; set SWATH_REAL_DATA")
    declared = tmp_path / dataset
    declared.mkdir()
    (declared / "dataset.yaml").write_text((PROJECT / f"data/sources/{dataset}/dataset.yaml").read_text())
    ingest(folder, declared, max_lost=0.2)
    source = read_sources(declared / "raw")[0]
    pair = {name: read_scene(source.files[name]) for name in ("before", "after")}
    task, params = load_run("change-sandbox")
    options = {"name": method, "bands": list(pair["before"].bands), "unit": pair["before"].unit}
    found = predict(task.methods(params.model_copy(update={"method": options})).candidate, pair)["change"]
    assert found.grid.crs is None
    assert found.grid.same_as(pair["before"].grid)
    assert 0 < (found.array == 1).mean() < 0.6
