import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources
from components.raster.io import read_scene

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SWATH_REAL_DATA", ROOT.parent / "shared" / "data")) / "change_optical"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are absent; set SWATH_REAL_DATA"),
]


def ingested(tmp_path, dataset, folder):
    home = tmp_path / dataset
    home.mkdir()
    shutil.copy(ROOT / "data" / "sources" / dataset / "dataset.yaml", home)
    report = ingest(REAL / folder, home)
    return report, read_sources(home / "raw")


def test_all_twelve_fires_come_in(tmp_path):
    report, sources = ingested(tmp_path, "california-fires", "s2_california_wildfire")
    assert (len(report.ingested), report.quarantined) == (12, ())
    for source in sources:
        scenes = {role: read_scene(path) for role, path in source.files.items()}
        assert scenes["before"].bands == scenes["after"].bands == ("B02", "B03", "B04", "B08", "B12")
        assert {scenes["before"].unit, scenes["after"].unit} == {"reflectance"}
        assert scenes["before"].grid.crs.to_epsg() == 4326
        assert 0 <= np.nanmin(scenes["before"].array) < np.nanmax(scenes["before"].array) < 1.5
        assert set(np.unique(scenes["mask"].array)) == {0, 4}


def test_half_digital_numbers_survive(tmp_path):
    _, sources = ingested(tmp_path, "california-fires", "s2_california_wildfire")
    source = next(each for each in sources if each.place == "66")
    with rasterio.open(REAL / "s2_california_wildfire" / source.properties["swath:sources"]["after"]["file"]) as file:
        published = file.read()
    assert (np.mod(published, 1) == 0.5).any()
    np.testing.assert_allclose(read_scene(source.files["after"]).array, published * 1e-4, rtol=1e-6)


def test_levir_without_its_label_is_quarantined(tmp_path):
    report, sources = ingested(tmp_path, "levir-cd", "levir_cd_samples")
    assert len(report.ingested) == 11
    assert [(each.name, each.reason.split(" of")[0]) for each in report.quarantined] == [("test_113_0256", "no mask")]
    assert {source.place for source in sources if source.id.startswith("test_2_")} == {"test-2"}
    assert all(read_scene(source.files["before"]).grid.crs is None for source in sources)


def test_dsifn_comes_in(tmp_path):
    report, sources = ingested(tmp_path, "dsifn", "dsifn_samples")
    assert (len(report.ingested), report.quarantined) == (10, ())
    assert read_scene(sources[0].files["mask"]).classes[1].name == "changed"
