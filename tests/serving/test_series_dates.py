"""A method of one scene, asked about a series of one date, is tiled, surveyed and computed as for a scene."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch

from components.inference.files import predict_file
from components.inference.method import Aligned, Batched, Blended, WithoutSurvey
from components.raster.dated import dated_stack
from components.raster.io import read_scene
from components.tasks import load_run
from serving.series.dates import on_one_date
from serving.series.headers import Dated
from serving.series.names import said_by_names
from serving.series.opening import each_date
from tests.raster.series import intensity
from tests.scenes import write_plain

BANDS = ("VV", "VH")


def method_of(**changes):
    """The candidate of the despeckling run with other options, and its input; a network has random weights."""
    task, params = load_run("despeckling-sandbox")
    params = params.model_copy(update={"method": {**params.method, "width": 8, **changes}})
    torch.manual_seed(0)
    method = task.methods(params).candidate
    if isinstance(method, Batched):
        method.centre, method.scale = (-2.5, -2.5), (0.5, 0.5)
        method.module.eval()
    return method, task.spec(params).inputs[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two dates of two bands, larger than a tile."""
    folder = tmp_path_factory.mktemp("dates")
    for index, day in enumerate(("20230103", "20230115")):
        pixels = np.concatenate([intensity((300, 270), 2 * index + band) for band in range(2)])
        pixels[:, 40:60, 50:70] = np.nan
        with rasterio.open(write_plain(folder / f"{day}.tif", pixels, nodata=float("nan")), "r+") as file:
            file.descriptions, file.units = BANDS, ("intensity",) * 2
    return folder


@pytest.mark.parametrize("changes", [{}, {"name": "lee", "looks": None}], ids=["network", "survey"])
def test_every_date_is_what_its_scene_would_be(folder, tmp_path, changes):
    method, wanted = method_of(**changes)
    for index, date in enumerate(each_date(dated_stack(folder))):
        by_date, by_scene = tmp_path / f"{index}-date.tif", tmp_path / f"{index}-scene.tif"
        predict_file(on_one_date(method, wanted), {"series": date}, by_date, output="filtered", tile_px=128)
        path = sorted(folder.iterdir())[index]
        predict_file(method, {"noisy": path}, by_scene, output="filtered", bands={"noisy": BANDS}, tile_px=128)
        found, expected = read_scene(by_date), read_scene(by_scene)
        np.testing.assert_allclose(found.array, expected.array, rtol=1e-6)
        assert np.isnan(found.array[:, 50, 60]).all()
        assert f"{found.acquired:%Y-%m-%d}" == ("2023-01-03", "2023-01-15")[index]


@pytest.mark.parametrize("changes", [{}, {"name": "lee"}, {"name": "sar-bm3d"}])
def test_it_has_what_the_engine_looks_for_where_the_method_has_it_and_nowhere_else(changes):
    method, wanted = method_of(**changes)
    shown = on_one_date(method, wanted)
    assert shown.halo_px == method.halo_px
    for kind in (Batched, Aligned, Blended, WithoutSurvey):
        assert isinstance(shown, kind) == isinstance(method, kind), kind


def test_a_series_of_two_dates_is_none_of_one(folder):
    method, wanted = method_of(name="lee")
    with pytest.raises(ValueError, match="a series of one date"):
        on_one_date(method, wanted).predict({"series": dated_stack(folder).read()})


def test_a_file_is_called_as_its_sender_calls_it(folder):
    (said,) = said_by_names(["scenes/20230103.tif"])
    assert Dated(said, folder / "upload-0").name == "20230103.tif"
