"""The real aligned pairs at hand as a training source: ingested as declared, prepared, drawn with synthetic relief."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.raster.warping import warp
from components.tasks.coregistration import TASK
from components.tasks.params import RunParams
from components.training.prepare import prepare_run

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data"))
DECLARED = PROJECT / "data/sources/s1s2-pairs"
PLACES = ("Spain_7370579", "cdse_sentinel", "shuguang")
RUN = RunParams.model_validate(
    {
        "task": "coregistration",
        "dataset": "s1s2-pairs",
        "description": "-",
        "split": {"kind": "places", "train": ["Spain_7370579", "cdse_sentinel"], "val": ["shuguang"], "test": []},
        "method": {
            "name": "pwc-net-multimodal",
            "reference": {"sensor": "sentinel-1", "bands": ["VV"], "unit": "amplitude"},
            "moving": {"sensor": "sentinel-2", "bands": ["B04"], "unit": "digital_number"},
            "unrelated": 0.0,
        },
    }
)
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    dataset = tmp_path_factory.mktemp("pairs") / "s1s2-pairs"
    shutil.copytree(DECLARED, dataset)
    report = ingest(DATA, dataset)
    assert (report.ingested, report.quarantined) == (PLACES, ())
    return {source.place: source for source in read_sources(dataset / "raw")}


def test_three_providers_numbers_become_one_sort_of_scene(ingested):
    for place, source in ingested.items():
        radar, optical = (read_scene(source.files[role]) for role in ("reference", "moving"))
        assert (radar.bands, radar.unit) == (("VV",), "amplitude")
        assert (optical.bands, optical.unit) == (("B04",), "digital_number")
        assert radar.grid.same_as(optical.grid)
        assert (radar.grid.crs is None) == (place == "shuguang")
    for place in PLACES[:2]:  # both hold calibrated backscatter: that of land
        amplitude = read_scene(ingested[place].files["reference"]).array
        assert -16 < 20 * np.log10(np.median(amplitude)) < -6
    assert read_scene(ingested["cdse_sentinel"].files["moving"]).grid.shape == (66, 64)
    assert ingested["cdse_sentinel"].properties["swath:applied"]["reference"]["scale"] == pytest.approx(10**-4.15)


def test_a_run_draws_displaced_crops_with_truth_from_them(ingested, tmp_path):
    prepared = prepare_run(TASK, RUN, list(ingested.values()), tmp_path / "prepared").of(RUN.split.folds()[0])
    crops = TASK.samples(prepared, "train", RUN)
    drawn = [crops[index] for index in range(8)]
    assert {crop.unit for crop in drawn} == {"Spain_7370579", "cdse_sentinel"}
    for crop in drawn:
        truth, twin = crop.targets["flow"].array, crop.inputs["reference_twin"].array
        back = warp(crop.inputs["moving"], truth, resampling="cubic").array
        apart = np.nanmean(np.abs(crop.inputs["moving"].array - twin))
        assert np.isfinite(twin).any()
        assert np.nanmean(np.abs(back - twin)) < 0.5 * apart
