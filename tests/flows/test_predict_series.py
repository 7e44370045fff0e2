import json
import os
from pathlib import Path

import numpy as np
import pytest

from components.errors import BadParams, BandMismatch, UnknownName
from components.raster.io import describe, read_scene
from tests.flows.in_service import serve, swath
from tests.raster.series import days, write_dates

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "change_sar"


@pytest.fixture(autouse=True)
def _in_service(monkeypatch):
    """Every run is in service as it stands in the project: these learn nothing that a store would have to hold."""
    serve(monkeypatch)


def test_a_folder_of_dates_becomes_maps_and_events(tmp_path):
    folder = write_dates(tmp_path / "dates", 12)
    out, when, rgb, events = (tmp_path / name for name in ("change.tif", "when.tif", "rgb.tif", "events.geojson"))
    active, ground = tmp_path / "active.tif", tmp_path / "ground.tif"
    also = ["--also", f"when={when}", "--also", f"composite={rgb}", "--events", events]
    also += ["--also", f"activity={active}", "--also", f"background={ground}"]
    done = swath("change-sar", folder, "-o", out, "--unit", "intensity", *also)
    assert done.exit_code == 0, done.exception
    assert read_scene(out).bands == ("change",)
    assert describe(when).bands == ("kind", "first_day", "last_day", "onset_day", "onset_error_days", "duration")
    assert len(describe(rgb).bands) == 3
    assert describe(active).bands == ("active_dates", "seen_dates", "first_day", "last_day")
    assert (describe(ground).bands, describe(ground).unit) == (("VV", "VH"), "amplitude")
    assert json.loads(events.read_text())["type"] == "FeatureCollection"
    assert f"{events}: events of change-sar" in done.output.replace("\n", "")


def test_a_folder_takes_every_output(tmp_path):
    folder, out = write_dates(tmp_path / "dates", 12), tmp_path / "answers" / "site"
    done = swath("change-sar", folder, "-o", out, "--unit", "intensity", "--events", tmp_path / "elsewhere.geojson")
    assert done.exit_code == 0, done.exception
    rasters = ("activity", "background", "change", "composite", "probability", "when")
    assert sorted(path.name for path in out.glob("*.tif")) == [f"{name}.tif" for name in rasters]
    assert not list(out.glob("*.geojson"))
    assert json.loads((tmp_path / "elsewhere.geojson").read_text())["type"] == "FeatureCollection"
    assert read_scene(out / "change.tif").bands == ("change",)


def test_a_file_in_place_of_the_folder_is_kept(tmp_path):
    (tmp_path / "notes").write_text("mine")
    done = swath("change-sar", write_dates(tmp_path / "dates", 12), "-o", tmp_path / "notes", "--unit", "intensity")
    assert isinstance(done.exception, BadParams)
    assert "is a file without a suffix" in str(done.exception)
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize(
    ("count", "arguments", "kind", "says"),
    [
        (6, ["--unit", "volts"], UnknownName, "no unit named 'volts'"),
        (6, ["--unit", "intensity", "--orbit", "9"], UnknownName, "no relative orbit named '9'"),
        (6, ["--looks", "many"], BadParams, "--looks: expected numbers above 0 with commas between, found 'many'"),
        (6, ["--looks", "-4"], BadParams, "--looks: expected numbers above 0"),
        (6, ["--looks", "4,4,4"], BadParams, "expected 1 or 2 (one for each of VV, VH) numbers, found 3"),
        (6, ["--pattern", "x"], BadParams, "no group `date`; an example is"),
        (6, ["--unit", "intensity", "--also", "flow=x.tif"], UnknownName, "no output named 'flow'"),
    ],
)
def test_a_wrong_option_is_said_with_the_remedy(tmp_path, count, arguments, kind, says):
    done = swath("change-sar", write_dates(tmp_path / "dates", count), "-o", tmp_path / "a.tif", *arguments)
    assert isinstance(done.exception, kind)
    assert says in str(done.exception)


def test_declared_looks_are_those_that_thresholds_rest_on(tmp_path):
    folder = write_dates(tmp_path / "dates", 12)
    shares = {}
    for looks in ("1", "4.4", "30,30"):
        out = tmp_path / f"{looks}.tif"
        done = swath("change-sar", folder, "-o", out, "--unit", "intensity", "--looks", looks)
        assert done.exit_code == 0, done.exception
        shares[looks] = (read_scene(out).array == 1).mean()
    assert shares["1"] < shares["4.4"] < 0.03 < 0.5 < shares["30,30"]


def test_a_network_that_learnt_its_looks_takes_no_others(tmp_path):
    done = swath("despeckling-sandbox", "a.tif", "-o", tmp_path / "a.tif", "--looks", "1")
    assert isinstance(done.exception, BadParams)
    assert "it learnt from scenes of 4.4 looks, and nothing can be declared" in str(done.exception)


def test_a_method_without_looks_says_so(tmp_path):
    done = swath("change-sandbox", "a.tif", "b.tif", "-o", tmp_path / "a.tif", "--looks", "1")
    assert isinstance(done.exception, BadParams)
    assert "looks" in str(done.exception)


def test_a_series_without_a_polarisation_of_the_run_is_refused(tmp_path):
    folder = write_dates(tmp_path / "dates", 6, bands=("VV",))
    done = swath("change-sar", folder, "-o", tmp_path / "a.tif", "--unit", "intensity")
    assert isinstance(done.exception, BandMismatch)
    assert "expected bands VV, VH, found VV" in str(done.exception)


def test_a_file_is_no_folder_and_two_folders_are_one_too_many(tmp_path):
    folder = write_dates(tmp_path / "dates", 2)
    file = swath("change-sar", folder / f"{days(1)[0]:%Y%m%d}_VV.tif", "-o", tmp_path / "a.tif")
    assert "expected a folder with a file for each date" in str(file.exception)
    two = swath("change-sar", folder, folder, "-o", tmp_path / "a.tif")
    assert "needs 1 inputs (series: a folder of dated files), got 2" in str(two.exception)


def test_options_of_a_series_are_refused_where_scenes_are_wanted(tmp_path):
    done = swath("change-burned", "a.tif", "b.tif", "-o", tmp_path / "a.tif", "--orbit", "7")
    assert isinstance(done.exception, BadParams)
    assert "--orbit is for time series" in str(done.exception)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real samples at {REAL}; set SWATH_REAL_DATA")
def test_real_opera_bursts_need_nothing_but_their_folder(tmp_path):
    out, events = tmp_path / "change.tif", tmp_path / "events.geojson"
    done = swath("change-sar", REAL / "opera_rtc_s1_10SGD", "-o", out, "--events", events)
    assert done.exit_code == 0, done.exception
    change = read_scene(out).array
    share = (change == 1).sum() / (change != 255).sum()
    found = json.loads(events.read_text())["features"]
    assert 0.04 < share < 0.08
    assert 200 < len(found) < 400
    assert {each["properties"]["kind"] for each in found} == {"new", "disappeared", "temporary"}
    assert sum(each["properties"]["area_m2"] for each in found) <= (change == 1).sum() * 900 * 1.001
    assert np.isin(change, (0, 1, 255)).all()
