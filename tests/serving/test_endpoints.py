from __future__ import annotations

import io
import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from components.raster.grid import Grid
from components.raster.opening import open_untrusted
from tests.deployment.toy import GRID, scene


def post(client, files, **fields):
    return client.post("/change", files=files, data=fields)


def test_the_change_map_lies_on_the_grid_of_the_first_input(client, pair, run):
    answer = post(client, pair)
    assert answer.status_code == 200
    change = open_untrusted(answer.content)
    assert change.grid.same_as(GRID)
    assert change.unit == "class"
    assert (change.array[0, :, :25] == 1).all()
    assert (change.array[0, :, 25:] == 0).all()


def test_the_version_stands_in_headers_and_tags(client, pair, run, slots):
    answer = post(client, pair)
    version = slots.current(run).id
    assert (answer.headers["X-Swath-Run"], answer.headers["X-Swath-Version"]) == (run, version)
    tags = open_untrusted(answer.content).tags
    assert (tags["SWATH_RUN"], tags["SWATH_VERSION"], tags["SWATH_OUTPUT"]) == (run, version, "change")


def test_the_same_request_gives_the_same_bytes(client, pair):
    assert post(client, pair).content == post(client, pair).content


@pytest.mark.parametrize("name", ["probability", "continuous"])
def test_the_probability_is_another_output(client, pair, name):
    chance = open_untrusted(post(client, pair, output=name).content)
    assert chance.unit == "probability"
    np.testing.assert_allclose(chance.array[0, :, :25], 0.8, atol=1e-6)


def test_geojson_leaves_in_wgs84_without_the_background(client, pair):
    answer = post(client, pair, format="geojson")
    features = json.loads(answer.content)["features"]
    assert answer.headers["content-type"] == "application/geo+json"
    assert [feature["properties"]["name"] for feature in features] == ["changed"]
    longitude, latitude = features[0]["geometry"]["coordinates"][0][0]
    assert (round(longitude), round(latitude)) == (3, 44)


def test_a_picture_shows_the_class_colours(client, pair):
    answer = post(client, pair, format="png")
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    with rasterio.open(io.BytesIO(answer.content)) as picture:
        assert picture.read()[:, 0, 0].tolist() == [200, 30, 30, 255]


def test_nodata_in_is_nodata_out(client, tif):
    holed = scene(0.1, 0.4)
    holed.array[:, 3, 4] = np.nan
    change = open_untrusted(post(client, {"before": tif(0.1), "after": tif(value=holed)}).content)
    assert change.array[0, 3, 4] == 255 == change.nodata
    assert not change.valid[3, 4]


def test_bands_are_matched_by_name_whatever_their_order(client, tif):
    before, after = scene(bands=("B08", "B04", "B12")), scene(bands=("nir", "red"))
    after.array[0] += 0.3  # B08 only
    assert post(client, {"before": tif(value=before), "after": tif(value=after)}).status_code == 200
    chance = post(client, {"before": tif(value=before), "after": tif(value=after)}, output="probability")
    np.testing.assert_allclose(open_untrusted(chance.content).array, 0.3, atol=1e-6)


def shifted(**changes):
    return Grid(**{"crs": GRID.crs, "transform": GRID.transform, "shape": GRID.shape, **changes})


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"bands": ("B04", "B11")}, ["BandMismatch", "after", "B04, B08", "B04, B11"]),
        ({"bands": ("B04",)}, ["BandMismatch", "after", "B04, B08"]),
        ({"unit": "db"}, ["WrongInput", "expected unit reflectance, found db"]),
        ({"unit": "digital_number"}, ["WrongInput", "found digital_number", "form field unit=reflectance"]),
        ({"level": 3000.0}, ["WrongInput", "found a median of 3000", "scale and offset"]),
        ({"grid": shifted(transform=Affine(10, 0, 500_005, 0, -10, 4_900_000))}, ["GridMismatch", "500005", "500000"]),
        ({"grid": shifted(crs=CRS.from_epsg(32632))}, ["GridMismatch", "EPSG:32631", "EPSG:32632"]),
        ({"grid": shifted(shape=(40, 51))}, ["GridMismatch", "40x50", "40x51"]),
        ({"grid": shifted(crs=None)}, ["WrongInput", "expected a CRS, found none"]),
        ({"grid": shifted(transform=Affine(30, 0, 500_000, 0, -30, 4_900_000))}, ["5 to 20 m, found 30 x 30 m"]),
    ],
)
def test_a_wrong_input_is_told_what_was_expected_and_found(client, tif, after, expected):
    answer = post(client, {"before": tif(), "after": tif(**after)})
    assert answer.status_code == 422
    assert all(words in answer.text for words in expected), answer.text


def test_a_unit_may_be_declared_where_the_file_names_none(client, tif):
    files = {"before": tif(unit="digital_number"), "after": tif(unit="digital_number")}
    assert post(client, files, unit="reflectance").status_code == 200
    assert post(client, {**files, "after": tif(unit="db")}, unit="reflectance").status_code == 422


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"format": "jpeg"}, "format"),
        ({"output": "height"}, "this run has change, probability"),
        ({"output": "probability", "format": "geojson"}, "ask for format cog or png"),
        ({"unit": "bananas"}, "unit"),
    ],
)
def test_an_unknown_option_is_refused(client, pair, fields, said):
    answer = post(client, pair, **fields)
    assert answer.status_code == 422
    assert said in answer.text


def test_an_unknown_query_key_is_refused(client, pair):
    answer = client.post("/change?threshold=0.3", files=pair)
    assert answer.status_code == 422
    assert "threshold" in answer.text


def test_missing_unknown_and_doubled_files_are_refused(client, pair, tif):
    for files, said in (
        ({"before": pair["before"]}, "missing file after"),
        ({**pair, "third": tif()}, "unknown file field third"),
        ([*pair.items(), ("before", tif())], "before stands twice"),
    ):
        answer = client.post("/change", files=files)
        assert answer.status_code == 422
        assert said in answer.text


def test_a_body_that_is_no_form_is_refused(client):
    assert client.post("/change", json={"before": [[1]]}).status_code == 422
    assert client.post("/change", content=b"\x00", headers={"Content-Type": "multipart/form-data"}).status_code == 400


VRT = b'<VRTDataset rasterXSize="9" rasterYSize="9"><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>'


@pytest.mark.parametrize(
    "content", [VRT, b"", b"II*\x00" + b"\x00" * 60, b"/vsicurl/http://169.254.169.254/", b"PK\x03\x04"]
)
def test_a_hostile_file_is_refused_without_a_word_of_its_content(client, pair, content):
    answer = post(client, {**pair, "after": content})
    assert answer.status_code == 400
    assert "root:" not in answer.text
    assert "/tmp" not in answer.text


def test_an_unknown_task_or_run_is_not_found(client, pair, run):
    assert client.post("/colours", files=pair).status_code == 404
    answer = post(client, pair, run="change-nothing")
    assert answer.status_code == 404
    assert "promote one" in answer.text


def test_models_says_what_is_in_service(client, run, slots):
    answer = client.get("/models").json()
    assert answer["store"] == "reachable"
    assert answer["models"] == [
        {
            "run": run, "task": "change", "version": slots.current(run).id, "promoted": slots.current(run).id,
            "state": "ready", "reason": "", "code_digest": slots.current(run).code_digest,
        }
    ]  # fmt: skip


def test_the_document_names_the_inputs_of_the_runs_in_service(client, run):
    path = client.get("/openapi.json").json()["paths"]["/change"]["post"]
    schema = path["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["before", "after"]
    assert "bands B04, B08 by name, unit reflectance" in schema["properties"]["before"]["description"]
    assert schema["properties"]["output"]["examples"] == ["change", "probability"]
    assert run in client.get("/docs").text


def test_several_runs_of_a_task_must_be_told_apart(client_of, registry, make_version, tmp_path, run, pair):
    from serving.slots import Slots
    from tests.deployment.toy import CODE

    names = [f"{run}-a", f"{run}-b"]
    for name in names:
        registry.promote(name, make_version(name=name))
    slots = Slots(registry, tmp_path / "c", lambda task: CODE, only=names)
    slots.look()
    client = client_of(slots)
    assert "choose one with the field run" in post(client, pair).text
    assert post(client, pair, run=names[1]).headers["X-Swath-Run"] == names[1]
