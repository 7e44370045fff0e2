import json

import numpy as np
import pytest

from components.errors import BandMismatch
from components.inference import rasters, sampling
from components.inference.canvas import Canvas
from components.inference.engine import Plan, run
from components.inference.files import predict_file
from components.inference.rasters import Rasters
from components.inference.tiled import predict
from components.inference.tiling import Layout
from components.raster.io import read_scene
from components.raster.stacks import folder_stack
from components.tasks.change.omnibus import DatedOmnibus
from components.tasks.change.reactiv import Reactiv
from tests.raster.series import PATTERN, days, intensity
from tests.scenes import make_grid, write_plain

SHAPE = (200, 170)
COUNT = 12
SITE = np.s_[:, 50:80, 100:150]  # across the seams of tiles of 64 px


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A building site that stands from the seventh date on, and an empty corner."""
    folder = tmp_path_factory.mktemp("series")
    for index, day in enumerate(days(COUNT)):
        for number, band in enumerate(("VV", "VH")):
            pixels = intensity(SHAPE, 10 * index + number)
            if index >= 6:
                pixels[SITE] *= 20
            pixels[:, 150:, :70] = np.nan
            write_plain(folder / f"{day:%Y%m%d}_{band}.tif", pixels, make_grid(SHAPE), nodata=float("nan"))
    return folder_stack(folder, PATTERN, unit="intensity")


METHOD = Reactiv(("VV", "VH"), looks=(4.4, 4.4), false_alarms=0.001)


def test_a_series_is_predicted_tile_by_tile_as_it_is_whole(source, tmp_path):
    out, also = tmp_path / "change.tif", {"when": tmp_path / "when.tif", "composite": tmp_path / "rgb.tif"}
    tiles = []
    predict_file(
        METHOD, {"series": source}, out, output="change", also=also, tile_px=64, progress=lambda *at: tiles.append(at)
    )
    whole = predict(METHOD, {"series": source.read()})
    assert len(tiles) == 12
    for name, path in {"change": out, **also}.items():
        expected = whole[name].array
        if name == "composite":
            expected = np.where(expected > 0, expected, np.nan)  # as a picture is read: no data is NaN
        assert np.array_equal(read_scene(path).array, expected, equal_nan=True), name


@pytest.mark.parametrize("method", [METHOD, DatedOmnibus(("VV", "VH"), looks=(4.4, 4.4), false_alarms=0.001)])
@pytest.mark.parametrize("readers", [1, 3])
def test_tiles_read_and_written_in_threads_say_what_one_thread_says_of_the_whole(source, readers, method):
    canvas = Canvas(source.grid)
    run(method, Rasters({"series": source}, {}, source.grid, {}), canvas, Plan(Layout(64, 0), readers=readers))
    whole = method.predict({"series": source.read()})
    for name in ("change", "probability", "when"):
        assert np.array_equal(canvas.outputs[name].array, whole[name].array, equal_nan=True), name


def test_an_event_over_the_seams_of_tiles_is_one_polygon_with_all_of_its_area(source, tmp_path):
    predict_file(METHOD, {"series": source}, tmp_path / "events.json", output="events", tile_px=64)
    listed = json.loads((tmp_path / "events.json").read_text())["features"]
    events = sorted((each["properties"] for each in listed), key=lambda row: -row["area_m2"])
    assert events[0]["kind"] == "new"
    assert events[0]["brighter"] is True
    assert events[0]["area_m2"] == pytest.approx(30 * 50 * 100, rel=0.02)
    assert events[0]["first_date"] == f"{days(COUNT)[6]}"
    assert events[0]["last_date"] == f"{days(COUNT)[-1]}"
    assert events[0]["onset"] == "2023-03-10"
    assert 6 <= events[0]["onset_error_days"] <= 12
    assert events[0]["certainty"] > 0.999
    assert all(row["area_m2"] < 3000 for row in events[1:])


def test_only_the_bands_that_are_wanted_are_read(source, tmp_path):
    method, bands = Reactiv(("VV",), looks=(4.4,)), {"series": ["VV"]}
    done = predict_file(method, {"series": source}, tmp_path / "a.tif", output="change", bands=bands)
    assert done.grid == source.grid
    assert all(part.bands == ("VV",) for parts in source.only(["VV"]).layers for part in parts)


def test_a_series_without_a_band_of_the_run_is_refused_before_anything_is_read(source, tmp_path):
    with pytest.raises(BandMismatch, match="HH"):
        predict_file(METHOD, {"series": source}, tmp_path / "a.tif", output="change", bands={"series": ["HH"]})


def test_the_more_dates_the_smaller_are_tiles_and_survey(source, monkeypatch, tmp_path):
    monkeypatch.setattr(rasters, "MOST_VALUES", 24 * 100 * 100)
    monkeypatch.setattr(sampling, "BLOCK_PX", 64)
    read = Rasters({"series": source}, {}, source.grid, {})
    assert read.tile_px(512) == 96
    assert read.survey_px == 10_000
    largest = []

    class Watching(Reactiv):
        def survey(self, scenes):
            largest.append(scenes["series"].grid.shape)
            return super().survey(scenes)

    predict_file(Watching(("VV", "VH")), {"series": source}, tmp_path / "a.tif", output="change")
    assert largest == [(64, 128)]
