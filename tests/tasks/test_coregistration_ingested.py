"""Real files of two sensors become a training source: declared, ingested, checked, prepared, trained on."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.annotation.check import check
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.simulation.radar_optical import radar_optical
from components.tasks.bundle import load_state
from components.tasks.chips import Prepared
from components.tasks.coregistration import TASK
from components.tasks.params import RunParams
from components.training import prepare
from components.training.stage import Stage, train_run
from tests.scenes import write_plain

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data"))
FLOODS = DATA / "landcover/sen1floods11_sample/sample"
PLACES = {"here": 101, "there": 102, "yonder": 103}
BANDS = ("B02", "B03", "B04", "B08")
COVER = {0: "other", 1: "fields", 2: "forest", 3: "built-up", 4: "water"}
DECLARATION = {
    "name": "two-sensors",
    "title": "Sentinel-1 and Sentinel-2 of three places",
    "origin": "made here",
    "licence": "Apache-2.0",
    "citation": "none",
    "sensor": "sentinel-1",
    "layout": {
        "kind": "folders",
        "roles": {"reference": "S1", "moving": "S2", "height": "dem", "cover": "landcover"},
        "name": r"(?P<stem>.+)_(S1|S2|dem|cover)\.tif",
    },
    "images": {
        "reference": {
            "bands": ["VV", "VH"],
            "unit": "intensity",
            "decibels": True,
            "nodata": -9999,
            "storage": {"dtype": "float32", "nodata": "nan"},
        },
        "moving": {
            "bands": ["B2", "B3", "B4", "B8"],
            "unit": "reflectance",
            "scale": 1e-4,
            "nodata": 0,
            "storage": {"dtype": "uint16", "scale": 1e-4, "nodata": 0},
        },
        "height": {"bands": ["height"], "unit": "m", "storage": {"dtype": "float32"}},
    },
    "label": {
        "role": "cover",
        "values": {code: code for code in COVER},
        "classes": {code: {"name": name, "colour": [code, 0, 0]} for code, name in COVER.items()},
    },
}
EXPECTED = {"suite": "aligned-pair", "table": {"kind": "aligned-pair", "before": "reference", "after": "moving"}}
RUN = RunParams.model_validate(
    {
        "task": "coregistration",
        "dataset": "two-sensors",
        "description": "-",
        "split": {"kind": "places", "train": ["here"], "val": ["there"], "test": ["yonder"]},
        "method": {
            "name": "recurrent-flow",
            "reference": {"sensor": "sentinel-1", "bands": ["VV", "VH"], "unit": "intensity"},
            "moving": {"sensor": "sentinel-2", "bands": list(BANDS), "unit": "reflectance"},
            "width": 0.25,
            "iterations": 1,
            "crop_px": 64,
            "needs_crs": True,
        },
        "training": {"epochs": 1, "steps_per_epoch": 2, "batch": 2, "threads": 1},
    }
)


def write_files(source, name, seed):
    """One place as a provider would send it: decibels with a hole, 10,000ths of reflectance, heights, cover codes."""
    pair = radar_optical(seed, (160, 160))
    decibels = (10 * np.log10(pair.reference.array)).astype(np.float32)
    decibels[:, :4, :6] = -9999
    optical = np.round(pair.moving.select(BANDS).array * 1e4).astype(np.uint16)
    files = {"S1": decibels, "S2": optical, "dem": pair.height.array, "cover": pair.cover.array}
    folders = {"cover": "landcover"}
    for kind, array in files.items():
        write_plain(source / folders.get(kind, kind) / f"{name}_{kind}.tif", array, pair.reference.grid)
    return pair


def declared(root):
    dataset = root / "data/sources/two-sensors"
    dataset.mkdir(parents=True)
    (dataset / "dataset.yaml").write_text(yaml.safe_dump(DECLARATION))
    (dataset / "expectations.yaml").write_text(yaml.safe_dump(EXPECTED))
    return dataset


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    pairs = {name: write_files(root / "source", name, seed) for name, seed in PLACES.items()}
    dataset = declared(root)
    assert ingest(root / "source", dataset).quarantined == ()
    return root, dataset, pairs


def test_each_file_of_a_place_has_the_bands_and_the_unit_of_its_own_sensor(ingested):
    _, dataset, pairs = ingested
    source = read_sources(dataset / "raw")[0]
    scenes = {role: read_scene(path) for role, path in source.files.items()}
    assert {role: scene.unit for role, scene in scenes.items()} == {
        **{"reference": "intensity", "moving": "reflectance", "height": "m", "cover": "class"}
    }
    assert (scenes["reference"].bands, scenes["moving"].bands) == (("VV", "VH"), BANDS)
    seen = scenes["reference"].valid
    assert (~seen).sum() == 24
    pair = pairs["here"]
    np.testing.assert_allclose(scenes["reference"].array[:, seen], pair.reference.array[:, seen], rtol=1e-5)
    np.testing.assert_allclose(scenes["moving"].array, pair.moving.select(BANDS).array, atol=0.51e-4)
    np.testing.assert_array_equal(scenes["height"].array, pair.height.array)
    assert source.properties["swath:applied"]["reference"] == {"scale": 1.0, "offset": 0.0, "decibels": True}


def test_nothing_is_ingested_twice(ingested):
    root, dataset, _ = ingested
    assert ingest(root / "source", dataset).ingested == ()


def test_quality_is_checked_as_of_any_aligned_pair(ingested, tmp_path):
    _, dataset, _ = ingested
    report = check(dataset, tmp_path)
    assert report.passed
    assert report.scenes == 3
    assert "no-copies" in {each.name for each in report.results}


def test_a_run_prepares_the_ingested_places_and_trains_on_them(ingested, monkeypatch):
    root, _, _ = ingested
    monkeypatch.chdir(root)
    monkeypatch.setattr(prepare, "load_run", lambda _: (TASK, RUN))
    assert prepare.main(["real-pairs"]) == 0
    prepared = Prepared(root / "data/prepared/real-pairs")
    chip = prepared.chip("here")
    assert set(chip.inputs) == {"reference", "moving", "height"}
    assert [each.name for each in chip.targets["cover"].classes] == list(COVER.values())

    record = train_run(Stage(TASK, RUN, prepared, root / "checkpoints"), root / "weights")
    (epoch,) = record["trainings"]["weights"]["history"]
    assert all(np.isfinite(value) for value in epoch.values() if isinstance(value, float))
    state, preprocessing = load_state(root / "weights")
    assert preprocessing["moving"] == {"bands": list(BANDS), "unit": "reflectance"}
    assert state


def test_files_of_a_place_that_lie_on_two_grids_are_left_out_by_name(tmp_path):
    pair = write_files(tmp_path / "source", "here", 101)
    write_files(tmp_path / "source", "there", 102)
    grid = pair.moving.grid
    shifted = type(grid)(grid.crs, grid.transform @ type(grid.transform).translation(1, 0), grid.shape)
    write_plain(
        tmp_path / "source/S2/here_S2.tif",
        np.full((4, 160, 160), 700, np.uint16) + np.arange(160, dtype=np.uint16),
        shifted,
    )
    report = ingest(tmp_path / "source", declared(tmp_path), max_lost=0.6)
    assert report.ingested == ("there",)
    assert report.quarantined[0].name == "here"
    assert "grid" in report.quarantined[0].reason


def test_linear_numbers_declared_as_decibels_are_left_out(tmp_path):
    pair = write_files(tmp_path / "source", "here", 101)
    write_files(tmp_path / "source", "there", 102)
    write_plain(tmp_path / "source/S1/here_S1.tif", pair.reference.array * np.float32(1e4), pair.reference.grid)
    report = ingest(tmp_path / "source", declared(tmp_path), max_lost=0.6)
    assert "beyond 100 dB" in report.quarantined[0].reason


@pytest.mark.real
@pytest.mark.skipif(not FLOODS.is_dir(), reason=f"the real chip is not at {FLOODS}; set SWATH_REAL_DATA")
def test_a_real_chip_is_ingested_and_flagged_for_lying_apart(tmp_path):
    layout = {"kind": "folders", "roles": {"reference": "S1", "moving": "S2"}, "name": r"(?P<stem>.+)_S\dHand\.tif"}
    images = {role: DECLARATION["images"][role] for role in layout["roles"]}
    dataset = declared(tmp_path)
    changed = {**DECLARATION, "layout": layout, "images": images, "label": None}
    (dataset / "dataset.yaml").write_text(yaml.safe_dump(changed))
    assert len(ingest(FLOODS, dataset).ingested) == 1
    (source,) = read_sources(dataset / "raw")
    decibels = read_scene(next((FLOODS / "S1").glob("*.tif"))).array
    np.testing.assert_allclose(10 * np.log10(read_scene(source.files["reference"]).array), decibels, atol=1e-4)
    optical = read_scene(source.files["moving"])
    assert (optical.bands, optical.unit) == (BANDS, "reflectance")
    assert 0.01 < np.nanmedian(optical.array) < 0.5
    assert "pair-is-aligned" in check(dataset, tmp_path / "quality").flagged[source.id]
