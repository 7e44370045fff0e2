"""Rows F26, F27 and F29 of what a sceptic tries, over HTTP: refused in one sentence, and the service goes on."""

from __future__ import annotations

import socket
import time

import numpy as np
import psutil
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from components.raster.grid import Grid
from components.raster.opening import open_untrusted
from serving.sizes import pixels_of
from tests.deployment.toy import GRID, scene
from tests.raster import hostile

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
REFUSED = hostile.refused()
MB = 1024**2


def post(client, files, **fields):
    return client.post("/change", files=files, data=fields)


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_file_is_refused_in_two_seconds_without_its_content(client, pair, case):
    service = psutil.Process()
    before, start = service.memory_info().rss, time.monotonic()
    answer = post(client, {**pair, "after": REFUSED[case][0]})
    assert time.monotonic() - start < 2
    assert service.memory_info().rss - before < 200 * MB
    too_large = pixels_of(REFUSED[case][0]) > 64e6  # claims more than is answered at once
    assert answer.status_code == (413 if too_large else 400), answer.text
    assert answer.json()["message"].startswith("after: ")
    assert all(word not in answer.text for word in ("root:", "/tmp", "/dev/fd", "Traceback", "xxxxx"))
    assert post(client, pair).status_code == 200


def test_the_name_of_an_upload_is_never_opened(client, pair):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for name in (
            hostile.VRT.decode().replace("\n", " "), f"/vsicurl/http://127.0.0.1:{port}/x.tif", "file:///etc/passwd",
            f"http://127.0.0.1:{port}/x", "../../../etc/passwd", "/etc/passwd", "scene.vrt", "a\0b", "",
        ):  # fmt: skip
            files = {"before": (name or "none", pair["before"]), "after": (name or "none", pair["after"])}
            assert post(client, files).status_code == 200, name
            assert post(client, {**files, "after": (name or "none", hostile.VRT)}).status_code == 400, name
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_decoder_that_is_killed_costs_no_later_request(client, pair, decoders):
    dead = [psutil.Process(pid) for pid in decoders.pids]
    for each in dead:
        each.kill()
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in dead):
        time.sleep(0.01)
    assert [post(client, pair).status_code for _ in range(3)] == [200, 200, 200]


def stored(array, bands, unit="", grid=GRID, scale=1.0):
    """A file as somebody else writes it, with the names and numbers given."""
    with MemoryFile() as memory:
        profile = {"height": grid.shape[0], "width": grid.shape[1], "count": len(array), "dtype": array.dtype}
        with memory.open(driver="GTiff", crs=grid.crs, transform=grid.transform, **profile) as file:
            file.write(array)
            file.descriptions, file.units = bands, (unit,) * len(bands)
            file.scales = (scale,) * len(bands)
        return bytes(memory.read())


def constant(bands=("B04", "B08"), dtype="float32", level=0.1, **options):
    return stored(np.full((len(bands), *options.get("grid", GRID).shape), level, dtype), bands, **options)


GOOD = {
    "bands in another order": {"bands": ("B08", "B04")},
    "bands by other names": {"bands": ("red", "nir")},
    "more bands than are needed": {"bands": ("B02", "B04", "B08")},
    "float64": {"dtype": "float64"},
    "integers with the scale that makes them reflectance": {"dtype": "uint16", "level": 1000, "scale": 1e-4},
}
BAD = {
    "a band too few": ({"bands": ("B04",)}, 422, "expected bands B04, B08, found B04"),
    "bands without names": ({"bands": ("", "")}, 422, "found band1, band2"),
    "a band twice": ({"bands": ("B04", "B04")}, 422, "expected bands B04, B08"),
    "integers without a scale": ({"dtype": "uint16", "level": 1000}, 422, "found a median of 1000"),
    "complex numbers": ({"dtype": "complex64"}, 400, "complex64"),
    "another unit": ({"unit": "db"}, 422, "expected unit reflectance, found db"),
    "no unit": ({"unit": ""}, 422, "found digital_number"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_means_the_same_is_accepted_and_gives_the_same_answer(client, pair, case):
    usual = {"before": constant(unit="reflectance"), "after": constant(unit="reflectance")}
    answer = post(client, {**usual, "after": constant(unit="reflectance", **GOOD[case])})
    assert answer.status_code == 200, answer.text
    expected = open_untrusted(post(client, usual).content)
    assert (open_untrusted(answer.content).array == expected.array).all()


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_told_what_was_expected_and_found(client, pair, case):
    options, status, said = BAD[case]
    answer = post(client, {**pair, "after": constant(**{"unit": "reflectance", **options})})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def placed(a=10.0, b=0.0, c=500_000.0, d=0.0, e=-10.0, f=4_900_000.0, crs=GRID.crs):
    return Grid(crs, Affine(a, b, c, d, e, f), GRID.shape)


WGS84 = CRS.from_epsg(4326)
DEGREE = 10 / 111_320  # about 10 m
BAD_PLACES = {
    "south-up": (placed(e=10.0), 400, "not north-up"),
    "rotated": (placed(b=1.0, d=1.0), 400, "rotated"),
    "across the antimeridian": (placed(DEGREE, 0, 179.9999, 0, -DEGREE, 10, WGS84), 400, "antimeridian"),
    "beyond the pole": (placed(DEGREE, 0, 0, 0, -DEGREE, 90.001, WGS84), 400, "pole"),
    "no CRS": (placed(crs=None), 422, "expected a CRS, found none"),
    "another resolution": (placed(a=30.0, e=-30.0), 422, "found 30 x 30 m"),
}


@pytest.mark.parametrize("case", BAD_PLACES)
def test_a_grid_that_has_no_safe_meaning_is_refused(client, case):
    grid, status, said = BAD_PLACES[case]
    content = constant(unit="reflectance", grid=grid)
    answer = post(client, {"before": content, "after": content})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize("crs", [CRS.from_epsg(3413), CRS.from_epsg(3031)])
def test_a_polar_grid_is_answered_on_itself(client, crs):
    content = constant(unit="reflectance", grid=placed(c=0.0, f=0.0, crs=crs))
    answer = post(client, {"before": content, "after": content})
    assert answer.status_code == 200, answer.text
    assert open_untrusted(answer.content).grid.crs == crs


def test_not_a_number_and_infinity_are_nodata_in_the_answer(client, tif, pair):
    holed = scene(0.1, 0.4)
    holed.array[:, 3, 4] = np.nan
    with MemoryFile(tif(value=holed)) as memory:
        with memory.open() as file:
            profile, array, units = file.profile, file.read(), file.units
            names = file.descriptions
        array[:, 5, 6], array[:, 7, 8] = np.inf, -np.inf
        grid = Grid(profile["crs"], profile["transform"], array.shape[1:])
    change = open_untrusted(post(client, {**pair, "after": stored(array, names, units[0], grid)}).content)
    assert [int(change.array[0, row, col]) for row, col in ((3, 4), (5, 6), (7, 8))] == [255, 255, 255]
    assert change.array[0, 0, 0] != 255
