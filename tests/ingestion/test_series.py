"""Dated radar files become one source a burst, with every date that is whole."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.errors import BadParams, BadScene
from components.ingestion.declaration import read_declaration
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources, verify_manifest
from components.raster.io import read_scene
from tests.ingestion.folders import declare
from tests.raster.series import days, opera_name, write_bursts

ROOT = Path(__file__).parents[2]
OPERA = Path(os.environ.get("SWATH_REAL_DATA", ROOT.parent / "shared" / "data")) / "change_sar" / "opera_rtc_s1_10SGD"
SERIES = {
    "sensor": "sentinel-1",
    "layout": {
        "kind": "series",
        "name": r"(?:.*/)?OPERA_\S+_T(?P<orbit>\d{3})-(?P<part>\S+-IW\d)_(?P<date>\d{8}T\d+Z)_.*_(?P<band>V[VH])\.tif",
        "id": "T{orbit}-{part}",
    },
    "properties": {"swath:orbit": "{orbit}"},
    "image": {"bands": ["VV", "VH"], "unit": "intensity", "nodata": 0, "storage": {"dtype": "float32"}},
    "label": None,
}


@pytest.fixture
def folder(tmp_path):
    return write_bursts(tmp_path / "source", count=4)


def files(folder, burst, band):
    return sorted(folder.rglob(f"*{burst}_*_{band}.tif"))


def test_each_burst_becomes_a_source_with_its_dates_as_roles(tmp_path, folder):
    dataset = declare(tmp_path, **SERIES)
    report = ingest(folder, dataset)
    assert report.ingested == ("T137-292320-IW1", "T137-292320-IW2")
    first = read_sources(dataset / "raw")[0]
    assert sorted(first.files) == [f"date-{day:%Y%m%d}" for day in days(4)]
    assert (first.place, first.properties["swath:orbit"]) == ("292320-IW1", "137")
    scene = read_scene(first.files["date-20230103"])
    assert (scene.bands, scene.unit) == (("VV", "VH"), "intensity")
    assert scene.acquired == datetime(2023, 1, 3, 1, 59, 10, tzinfo=UTC)
    for band, path in enumerate(files(folder, "IW1", each)[0] for each in ("VV", "VH")):
        with rasterio.open(path) as opened:
            np.testing.assert_array_equal(scene.array[band], opened.read(1))
    verify_manifest(dataset / "raw")


def test_numbers_of_0_and_below_are_no_measurement(tmp_path, folder):
    path = files(folder, "IW1", "VH")[0]
    with rasterio.open(path, "r+") as opened:
        pixels = opened.read()
        pixels[0, 2, 3], pixels[0, 4, 5] = 0, -0.001
        opened.write(pixels)
    dataset = declare(tmp_path, **SERIES)
    ingest(folder, dataset)
    scene = read_scene(read_sources(dataset / "raw")[0].files["date-20230103"])
    assert np.argwhere(np.isnan(scene.array)).tolist() == [[1, 2, 3], [1, 4, 5]]


def test_a_date_without_a_band_is_left_out_by_name(tmp_path, folder):
    files(folder, "IW2", "VH")[1].unlink()
    dataset = declare(tmp_path, **SERIES)
    report = ingest(folder, dataset)
    assert [each.name for each in report.quarantined] == ["T137-292320-IW2-20230115"]
    assert "no VH" in report.quarantined[0].reason
    assert len(read_sources(dataset / "raw")[1].files) == 3


def test_a_date_that_stands_twice_is_left_out_by_name(tmp_path, folder):
    path = files(folder, "IW1", "VV")[2]
    shutil.copy(path, path.with_name(path.name.replace("20240101T", "20250101T")))
    report = ingest(folder, declare(tmp_path, **SERIES))
    assert [each.name for each in report.quarantined] == ["T137-292320-IW1-20230127"]
    assert "more than one file of VV" in report.quarantined[0].reason


def test_a_burst_with_too_few_dates_is_left_out(tmp_path, folder):
    dataset = declare(tmp_path, **{**SERIES, "layout": {**SERIES["layout"], "least_dates": 4}}, max_lost=0.9)
    for band in ("VV", "VH"):
        files(folder, "IW2", band)[0].unlink()
    report = ingest(folder, dataset)
    assert report.ingested == ("T137-292320-IW1",)
    assert "has 3 whole dates, 4 are needed" in report.quarantined[0].reason


def test_only_what_is_new_is_read_again(tmp_path, folder):
    dataset = declare(tmp_path, **SERIES)
    ingest(folder, dataset)
    before = (dataset / "raw" / "manifest.json").read_bytes()
    report = ingest(folder, dataset)
    assert (report.ingested, len(report.skipped)) == ((), 2)
    assert (dataset / "raw" / "manifest.json").read_bytes() == before


def test_mixed_orbits_are_refused(tmp_path, folder):
    path = files(folder, "IW1", "VV")[0]
    shutil.copy(path, path.with_name(opera_name(days(9)[-1], orbit=64)))
    with pytest.raises(BadScene, match=r"orbits 137 .4 dates., 64 .1 dates. are mixed"):
        ingest(folder, declare(tmp_path, **SERIES))


def test_a_pattern_without_a_date_is_refused(tmp_path):
    with pytest.raises(BadParams, match="date"):
        read_declaration(declare(tmp_path, **{**SERIES, "layout": {"kind": "series", "name": "(?P<part>.*)"}}))


@pytest.mark.real
@pytest.mark.skipif(not OPERA.is_dir(), reason=f"no real samples at {OPERA}; set SWATH_REAL_DATA")
def test_all_twelve_bursts_of_the_opera_stack_come_in_with_21_dates(tmp_path):
    dataset = tmp_path / "opera-10sgd"
    dataset.mkdir()
    shutil.copy(ROOT / "data/sources/opera-10sgd/dataset.yaml", dataset)
    report = ingest(OPERA, dataset)
    sources = read_sources(dataset / "raw")
    assert (len(report.ingested), report.quarantined) == (12, ())
    assert {len(source.files) for source in sources} == {21}
    for source in sources:
        scene = read_scene(source.files["date-20231203"])
        assert scene.array.shape == (2, 100, 100)
        assert np.nanmin(scene.array) > 0
        assert np.isfinite(scene.array).mean() > 0.99
