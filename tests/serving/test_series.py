"""`POST /<task>/series` over a real registry, decoder processes and real methods."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from components.deployment.registry import Registry
from components.inference.files import predict_file
from components.raster.dated import dated_stack
from components.raster.io import read_scene
from components.raster.opening import open_untrusted
from components.storage.store import Store
from serving.slots import Slots
from tests.conftest import QUICK
from tests.deployment.toy import CODE
from tests.raster.series import days, intensity, opera_name, write_bursts, write_dates
from tests.scenes import make_grid, write_plain
from tests.serving.radar import NETWORK, UNIT, as_series, dates, register, stamps

NAN = float("nan")


@pytest.fixture(scope="module")
def runs():
    tail = uuid.uuid4().hex[:8]
    return {"change": f"change-sar-{tail}", "despeckling": f"lee-{tail}", "network": f"network-{tail}"}


@pytest.fixture(scope="module")
def slots(moto_store, runs, tmp_path_factory):
    registry, folder = Registry(Store(moto_store, QUICK)), tmp_path_factory.mktemp("versions")
    registry.promote(runs["change"], register(registry, folder, "change", runs["change"]))
    registry.promote(runs["despeckling"], register(registry, folder, "despeckling", runs["despeckling"]))
    registry.promote(runs["network"], register(registry, folder, "despeckling", runs["network"], NETWORK))
    slots = Slots(registry, tmp_path_factory.mktemp("cache"), lambda task: CODE, only=list(runs.values()))
    slots.look()
    return slots


@pytest.fixture
def client(client_of, slots):
    return client_of(slots)


def post(client, files, task="change", **fields):
    return client.post(f"/{task}/series", files=files, data=fields)


def refused(answer, status, *said):
    assert answer.status_code == status, answer.text
    message = answer.json()["message"]
    assert all(words in message for words in said), message
    assert "/tmp" not in message
    return message


def test_a_series_becomes_the_change_map_that_the_command_line_writes(client, slots, runs, tmp_path):
    files = dates(tmp_path / "dates")
    answer = post(client, files, **UNIT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Swath-Run"] == runs["change"]
    change = open_untrusted(answer.content)
    assert (change.bands, change.unit) == (("change",), "class")
    assert change.tags["SWATH_OUTPUT"] == "change"
    method, out = slots.current(runs["change"]).method, tmp_path / "cli.tif"
    predict_file(method, {"series": dated_stack(tmp_path / "dates", unit="intensity")}, out, output="change")
    np.testing.assert_array_equal(change.array, read_scene(out).array)


def test_the_same_series_in_another_order_gives_the_same_bytes(client, tmp_path):
    files = dates(tmp_path / "dates")
    assert post(client, files, **UNIT).content == post(client, files[::-1], **UNIT).content


def test_all_outputs_come_in_one_archive(client, tmp_path):
    files = dates(tmp_path / "dates", 12)
    answer = post(client, files, format="zip", **UNIT)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(found) == [
        *("activity.tif", "background.tif", "change.tif", "composite.tif"),
        *("events.geojson", "probability.tif", "when.tif"),
    ]
    assert open_untrusted(found["when.tif"]).bands[:3] == ("kind", "first_day", "last_day")
    assert json.loads(found["events.geojson"])["type"] == "FeatureCollection"
    assert (
        open_untrusted(found["change.tif"]).array.tobytes()
        == open_untrusted(post(client, files, **UNIT).content).array.tobytes()
    )


@pytest.fixture
def site(tmp_path):
    """Twelve dates with something bright of 100 x 100 m from the seventh on."""
    folder = write_dates(tmp_path / "dates", 12)
    for path in sorted(folder.iterdir())[12:]:
        with rasterio.open(path, "r+") as file:
            pixels = file.read()
            pixels[:, 10:20, 10:20] *= 40
            file.write(pixels)
    return as_series(sorted(folder.iterdir()))


def test_a_building_site_is_an_event_with_its_dates(client, site):
    answer = post(client, site, output="events", format="geojson", looks="4.4", **UNIT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    largest = max(json.loads(answer.content)["features"], key=lambda each: each["properties"]["area_m2"])
    assert largest["properties"]["kind"] == "new"
    assert largest["properties"]["area_m2"] == pytest.approx(100 * 100, rel=0.15)
    assert largest["properties"]["first_date"] == f"{days(12)[6]}"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_composite_is_a_picture_in_colours(client, site):
    answer = post(client, site, output="composite", format="png", **UNIT)
    with rasterio.open(io.BytesIO(answer.content)) as picture:
        red, green, blue, opacity = picture.read()
    assert opacity.all()
    assert np.ptp([red[15, 15], green[15, 15], blue[15, 15]]) > 100
    assert np.ptp([red[30, 30], green[30, 30], blue[30, 30]]) < 30


def archived(answer):
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: open_untrusted(archive.read(name)) for name in archive.namelist()}


@pytest.mark.parametrize("which", ["despeckling", "network"])
def test_every_date_is_filtered_as_a_scene_of_that_date_would_be(client, runs, tmp_path, which):
    files = dates(tmp_path / "dates", 2)
    found = archived(post(client, files, "despeckling", run=runs[which], **UNIT))
    assert list(found) == [f"filtered-{stamp}.tif" for stamp in stamps(2)]
    first, second = found.values()
    assert (first.unit, first.bands) == ("intensity", ("VV", "VH"))
    assert [f"{each.acquired:%Y%m%d}" for each in (first, second)] == stamps(2)
    assert not np.array_equal(first.array, second.array)
    one = tmp_path / "scene.tif"
    paths = [tmp_path / "dates" / f"{stamps(1)[0]}_{band}.tif" for band in ("VV", "VH")]
    pixels = np.concatenate([read_scene(path).array for path in paths])
    with rasterio.open(write_plain(one, pixels, nodata=NAN), "r+") as file:
        file.descriptions = ("VV", "VH")
    scene = client.post("/despeckling", files={"noisy": one.read_bytes()}, data={"run": runs[which], **UNIT})
    assert scene.status_code == 200, scene.text
    np.testing.assert_allclose(first.array, open_untrusted(scene.content).array, rtol=1e-5)


def test_decibels_are_filtered_as_intensity(client, runs, tmp_path):
    linear = archived(post(client, dates(tmp_path / "a", 1), "despeckling", run=runs["despeckling"], **UNIT))
    for path in (tmp_path / "a").iterdir():
        write_plain(tmp_path / "b" / path.name, 10 * np.log10(read_scene(path).array), nodata=NAN)
    files = as_series(sorted((tmp_path / "b").iterdir()))
    by_db = archived(post(client, files, "despeckling", run=runs["despeckling"], unit="db"))
    name = f"filtered-{stamps(1)[0]}.tif"
    assert by_db[name].unit == "intensity"
    np.testing.assert_allclose(by_db[name].array, linear[name].array, rtol=1e-4)


def test_bursts_of_opera_are_put_side_by_side_without_a_word(client, tmp_path):
    folder = write_bursts(tmp_path / "dates", 6)
    answer = post(client, as_series(sorted(folder.rglob("*.tif"))))
    assert answer.status_code == 200, answer.text
    assert open_untrusted(answer.content).grid.shape == (30, 50)


def test_names_of_any_kind_are_read_with_a_template(client, tmp_path):
    files = [
        ("series", (f"C:\\scenes\\rel7__{name[:4]}-{name[4:6]}-{name[6:8]}_pol-{name[9:11]}_v2.tif", content))
        for _, (name, content) in dates(tmp_path / "dates")
    ]
    answer = post(client, files, pattern="rel{orbit}__{date}_pol-{band}_*.tif", orbit="7", **UNIT)
    assert answer.status_code == 200, answer.text
    assert answer.content == post(client, dates(tmp_path / "again"), **UNIT).content


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pattern": r"S1_(?P<date>\d{8})_.*\.tif"}, ["form field pattern", "{date}", "an example is"]),
        ({"pattern": "*{date}*{band}*"}, ["form field pattern", "2 of *"]),
        ({"pattern": "scene_{date}.tif"}, ["expected file names with the pattern scene_{date}.tif", "20230103_VH.tif"]),
        ({"orbit": "9"}, ["form field orbit", "no relative orbit named '9'"]),
        ({"looks": "many"}, ["looks"]),
        ({"looks": "-1"}, ["looks", "above 0"]),
        ({"looks": "4,4,4"}, ["looks: expected 1 or 2"]),
        ({"colour": "red"}, ["colour"]),
        ({"format": "jpeg"}, ["format"]),
        ({"output": "height"}, ["this run has change, probability, when, activity, events, composite, background"]),
        ({"output": "events"}, ["events is features", "geojson"]),
        ({"output": "when", "format": "geojson"}, ["raster of unit 1"]),
        ({"unit": "bananas"}, ["unit"]),
        ({"series_uri": "s3://a/b.tif"}, ["objects are inputs of jobs"]),
    ],
)
def test_a_wrong_option_is_refused_before_any_file_is_opened(client, tmp_path, fields, said):
    files = [("series", (name, b"never opened")) for _, (name, _) in dates(tmp_path / "dates")]
    refused(post(client, files, **{**UNIT, **fields}), 422, *said)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["S1_january.tif", "S1_february.tif"], ["expected file names with a date", "'S1_january.tif'"]),
        (["S1_20231345.tif", "S1_20230115.tif"], ["S1_20231345.tif"]),
        (["S1_20230230_VV.tif", "S1_20230115_VV.tif"], ["'20230230' in the name", "is no date"]),
        (["", "S1_20230115.tif"], ["expected file names of 1 to 128"]),
        (["x" * 130 + "_20230115.tif"], ["expected file names of 1 to 128"]),
    ],
)
def test_a_name_without_a_date_is_refused(client, names, said):
    files = [("series", (name or " /", b"x")) for name in names]
    refused(post(client, files, **UNIT), 422, *said)


def test_too_few_and_too_many_dates_are_refused(client_of, client, slots, tmp_path):
    refused(client.post("/change/series", data=UNIT, files={"series_": b""}), 422, "unknown file field series_")
    refused(client.post("/change/series", files=[("unit", (None, "intensity"))]), 422, "missing file series")
    refused(post(client, dates(tmp_path / "1", 1), **UNIT), 422, "expected at least 2 dates, found 1 (2023-01-03)")
    refused(post(client, dates(tmp_path / "3", 3), **UNIT), 422, "at least 5 dates, found 3")
    refused(post(client, dates(tmp_path / "4", 4), looks="4.4", **UNIT), 422, "expected at least 5 dates, found 4")
    refused(post(client_of(slots, max_dates=5), dates(tmp_path / "6", 6), **UNIT), 413, "6 dates", "SWATH_MAX_DATES")


def test_dates_on_two_grids_are_refused_with_both_names(client, tmp_path):
    files = dates(tmp_path / "dates")
    moved = write_plain(
        tmp_path / "x_20240101_VV.tif", intensity((40, 50)), make_grid((40, 50), corner=(1e5, 4e6)), nodata=NAN
    )
    refused(
        post(client, [*files, *as_series([moved])], **UNIT), 422, "20230103_VH.tif", "x_20240101_VV.tif", "one grid"
    )


def test_decibels_called_linear_are_refused_by_the_name_of_their_file(client, tmp_path):
    files = dates(tmp_path / "dates")
    wrong = write_plain(tmp_path / "x_20240101_VV.tif", 10 * np.log10(intensity((40, 50))), nodata=NAN)
    said = refused(post(client, [*files, *as_series([wrong])], **UNIT), 422, "looks like decibels", "`db`")
    assert said.startswith("x_20240101_VV.tif:")
    refused(post(client, files), 422, "nothing says whether", "declare the unit")


@pytest.mark.parametrize("door", ["change/series", "despeckling/series", "despeckling"])
def test_decibels_called_linear_have_one_status_and_kind_at_every_door(client, runs, tmp_path, door):
    folder = write_dates(tmp_path / "dates", 6)
    for path in folder.iterdir():
        write_plain(path, 10 * np.log10(intensity((40, 50))), nodata=NAN)
    one = write_plain(tmp_path / "one.tif", np.concatenate([10 * np.log10(intensity((40, 50)))] * 2), nodata=NAN)
    with rasterio.open(one, "r+") as file:
        file.descriptions = ("VV", "VH")
    files = as_series(sorted(folder.iterdir())) if "series" in door else {"noisy": one.read_bytes()}
    answer = client.post(f"/{door}", files=files, data={"run": runs[door.split("/")[0]], **UNIT})
    refused(answer, 422, "intensity", "decibels")
    assert answer.json()["error"] == "WrongInput"


def test_two_units_in_one_series_are_refused(client, tmp_path):
    files = sorted(write_dates(tmp_path, 2).iterdir())
    for path, unit in zip(files, ("intensity", "intensity", "amplitude", "amplitude"), strict=True):
        with rasterio.open(path, "r+") as file:
            file.units = (unit,)
    said = "expected one unit, found intensity in 20230103_VH.tif and amplitude in 20230115_VH.tif"
    refused(post(client, as_series(files)), 422, said)


def test_a_truncated_file_is_refused_by_its_name(client, tmp_path):
    files = dates(tmp_path / "dates")
    field, (name, content) = files[3]
    files[3] = (field, (name, content[: len(content) // 2]))
    assert refused(post(client, files, **UNIT), 400).startswith(f"{name}:")
    files[3] = (field, (name, b""))
    refused(post(client, files, **UNIT), 422, name, "found an empty file")


VRT = b'<VRTDataset rasterXSize="9" rasterYSize="9"><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>'


@pytest.mark.parametrize(
    "content", [VRT, b"II*\x00" + b"\x00" * 60, b"/vsicurl/http://169.254.169.254/", b"PK\x03\x04"]
)
def test_a_hostile_date_is_refused_without_a_word_of_its_content(client, tmp_path, content):
    files = dates(tmp_path / "dates")
    assert "root:" not in refused(post(client, [*files, ("series", ("20240101_VV.tif", content))], **UNIT), 400)


@pytest.mark.parametrize("name", ["../../20240101_VV.tif", "/etc/20240101_VV.tif", "20240101_VV.tif\n20240101_VV.tif"])
def test_a_name_is_never_a_path(client, tmp_path, name):
    files = dates(tmp_path / "dates")
    answer = post(client, [*files, ("series", (name, files[0][1][1]))], **UNIT)
    assert answer.status_code in (200, 422), answer.text


def test_a_date_that_stands_twice_and_mixed_orbits_are_refused(client, tmp_path):
    files = dates(tmp_path / "dates")
    refused(post(client, [*files, files[0]], **UNIT), 422, "2023-01-03 stands twice for VH")
    bursts = [
        *write_bursts(tmp_path / "a", 6).rglob("*.tif"),
        *write_bursts(tmp_path / "b", 6, orbit=64).rglob("*.tif"),
    ]
    refused(post(client, as_series(bursts)), 422, "the relative orbits 137 (6 dates), 64 (6 dates) are mixed", "orbit=")
    assert post(client, as_series(bursts), orbit="64").status_code == 200


def test_a_polarisation_that_is_missing_is_named(client, tmp_path):
    files = dates(tmp_path / "dates", bands=("VV",))
    refused(post(client, files, **UNIT), 422, "series: expected bands VV, VH, found VV")


def test_a_series_that_is_too_large_is_sent_to_the_jobs(client_of, slots, tmp_path):
    answer = post(client_of(slots, sync_mpx=0.02), dates(tmp_path / "dates"), **UNIT)
    refused(answer, 413, "megapixels in 12 files", "SWATH_MAX_SYNC_MPX", "POST /jobs")


def test_many_small_files_are_not_decoded_beyond_what_one_may_be(client, decoders, tmp_path, monkeypatch):
    monkeypatch.setattr(decoders, "limits", replace(decoders.limits, decoded_bytes=90_000))
    refused(post(client, dates(tmp_path / "dates"), **UNIT), 413, "MB decoded in 12 files", "send fewer dates")


def bursts_apart(folder, apart_m, count=6):
    """Two small bursts a date, the second so far east."""
    for index, day in enumerate(days(count)):
        for number, burst in enumerate(("292320-IW1", "292320-IW2")):
            grid = make_grid((20, 20), pixel=30.0, corner=(200_000.0 + number * apart_m, 5e6))
            for band in ("VV", "VH"):
                name = opera_name(day, burst=burst, band=band, second=10 + number)
                write_plain(folder / name, intensity((20, 20), index), grid, nodata=NAN)
    return as_series(sorted(folder.iterdir()))


def test_small_bursts_that_span_a_continent_are_refused(client, tmp_path):
    refused(post(client, bursts_apart(tmp_path, 3e6)), 413, "its parts span 20 x 100020 pixels", "one place")


def test_small_bursts_that_make_a_large_answer_are_sent_to_the_jobs(client_of, slots, runs, tmp_path):
    client, files = client_of(slots, sync_mpx=0.03), bursts_apart(tmp_path, 9000)
    assert post(client, files).status_code == 200
    answer = post(client, files, "despeckling", run=runs["despeckling"])
    refused(answer, 413, "megapixels of answer (6 of 20 x 320)", "POST /jobs")


def test_runs_that_take_scenes_say_so_and_the_other_way_round(client, runs, tmp_path):
    files = dates(tmp_path / "dates")
    refused(client.post("/change", files=[("series", files[0][1])]), 422, "is a time series", "POST /<task>/series")
    assert post(client, files, "colours").status_code == 404
    assert post(client, files, "coregistration", **UNIT).status_code == 404
    refused(post(client, files, "change", run=runs["despeckling"], **UNIT), 404, "change run", runs["change"])
    refused(post(client, files, "despeckling", **UNIT), 422, "several runs of despeckling")
    refused(post(client, files, "despeckling", run=runs["despeckling"], format="cog", **UNIT), 422, "format zip")
    refused(
        post(client, files, "despeckling", run=runs["network"], looks="3", **UNIT), 422, "it learnt from scenes of 4.4"
    )


def test_declared_looks_decide_what_a_filter_takes_away(client, runs, tmp_path):
    files = dates(tmp_path / "dates", 1)
    few, many = (
        archived(post(client, files, "despeckling", run=runs["despeckling"], looks=n, **UNIT)) for n in ("1", "90")
    )
    (few,), (many,) = few.values(), many.values()
    assert few.array.std() < many.array.std() * 0.7


def fields_of(operation):
    return operation["requestBody"]["content"]["multipart/form-data"]["schema"]


def test_the_document_and_the_page_say_how_a_series_is_sent(client, runs):
    paths = client.get("/openapi.json").json()["paths"]
    series, scenes, jobs = (paths[path]["post"] for path in ("/change/series", "/change", "/jobs"))
    schema, among_scenes, of_jobs = (fields_of(each) for each in (series, scenes, jobs))
    assert schema["properties"]["series"]["type"] == "array"
    assert schema["required"] == ["series"]
    assert {"pattern", "orbit", "unit", "looks", "run", "output", "format"} <= schema["properties"].keys()
    assert "-F series=@S1_20230103_VV.tif -F series=@S1_20230103_VH.tif" in series["description"]
    assert schema["properties"]["pattern"]["examples"][0] == "S1_{date}_{band}.tif"
    example = series["responses"]["422"]["content"]["application/json"]["example"]
    answer = post(client, [("series", ("january.tif", b"x"))])
    assert (answer.status_code, answer.json()) == (422, example)
    assert "every date by itself" in paths["/despeckling/series"]["post"]["description"]
    assert "series" not in among_scenes["properties"]
    assert {of_jobs["properties"][name]["type"] for name in ("series", "series_uri")} == {"array"}
    assert "/coregistration/series" not in paths
    assert "/change/series -F series=@" in client.get("/docs").text


def test_nothing_is_left_in_the_temporary_folder(client, tmp_path, monkeypatch):
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp))
    files = dates(tmp_path / "dates")
    assert post(client, files, **UNIT).status_code == 200
    assert post(client, [*files, ("series", ("20240101_VV.tif", VRT))], **UNIT).status_code == 400
    assert list(tmp.iterdir()) == []
