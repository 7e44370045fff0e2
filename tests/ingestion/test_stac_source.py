"""From a STAC API to scenes: a real `rustac serve` and a file server that fails as real ones do."""

from __future__ import annotations

import json
import sys
import threading
import types
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from components.errors import BadParams, SourceUnavailable, TooMuchMissing
from components.ingestion.ingest import ingest
from components.ingestion.layouts import StacLayout
from components.ingestion.stac.search import search
from components.raster.dataset import read_sources, verify_manifest
from components.raster.io import read_scene
from tests.ingestion.faulty_server import busy, cut, other, serving
from tests.ingestion.folders import declare
from tests.ingestion.stac_api import BBOX, SIZE, asset_grid, make_item, stac_api, stored

pytestmark = pytest.mark.service
IMAGE = {"bands": ["blue", "B08", "swir16"], "unit": "reflectance", "storage": {"dtype": "float32"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """File server and API with three items: June, another June with 80 % cloud, July."""
    folder = tmp_path_factory.mktemp("stac")
    with serving(folder / "files") as files:
        items = [
            make_item(files.folder, files.url, "june", seed=1),
            make_item(files.folder, files.url, "cloudy", seed=2, **{"eo:cloud_cover": 80.0}),
            make_item(files.folder, files.url, "july", seed=3, datetime="2024-07-01T10:30:00Z"),
        ]
        with stac_api(items, folder) as url:
            yield files, url


def layout(url, **changes):
    found = {"kind": "stac", "url": url, "collections": ["s2"], "bbox": list(BBOX), "datetime": "2024-06-01/2024-07-31"}
    return {**found, "mask": {"asset": "scl"}, "max_cloud": 50, **changes}


def declared(tmp_path, url, **changes):
    return declare(tmp_path, layout=layout(url, **changes), image=IMAGE, label=None, properties={})


def test_items_become_scenes_in_physical_units_on_one_grid(world, tmp_path):
    _, url = world
    dataset = declared(tmp_path, url, crop=False)
    report = ingest(tmp_path / "fetched", dataset)
    assert (report.ingested, report.missing) == (("july", "june"), ())
    source = read_sources(dataset / "raw")[1]
    scene = read_scene(source.files["image"])
    assert (source.place, scene.bands, scene.unit) == ("31TDK", ("B02", "B08", "B11"), "reflectance")
    assert scene.grid.same_as(asset_grid(10))
    assert scene.acquired.isoformat() == "2024-06-01T10:30:00+00:00"
    expected = (stored("B02", 1, 10)[0].astype(float) - 1000) * 1e-4
    clear = scene.valid
    np.testing.assert_allclose(scene.array[0][clear], expected[clear], atol=1e-6)
    verify_manifest(dataset / "raw")


def test_clouds_and_nodata_become_nodata_and_the_item_says_how_much(world, tmp_path):
    _, url = world
    dataset = declared(tmp_path, url, crop=False, datetime="2024-06-01/2024-06-30")
    ingest(tmp_path / "fetched", dataset)
    source = read_sources(dataset / "raw")[0]
    valid = read_scene(source.files["image"]).valid
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[20:30, :10] = True
    assert not valid[hidden].any()
    assert valid[3:20].all()
    assert not valid[0].any()
    assert source.properties["swath:unseen"]["fraction"] == round(hidden.mean(), 6)
    assert source.properties["swath:radiometry"]["B02"] == {
        "scale": 1e-4,
        "offset": -0.1,
        "scale_from": "Sentinel-2 quantification value 10000",
        "offset_from": "processing baseline 05.10",
    }
    assert source.properties["swath:resampled"] == {"B11": "bilinear from 20 m to 10 m"}
    assert set(source.properties["swath:sources"]) == {"image/B02", "image/B08", "image/B11", "unseen"}


def test_only_the_wanted_ground_is_kept_and_its_pixels_are_not_moved(world, tmp_path):
    _, url = world
    dataset = declared(tmp_path, url, datetime="2024-06-01/2024-06-30", mask=None)
    ingest(tmp_path / "fetched", dataset)
    scene = read_scene(read_sources(dataset / "raw")[0].files["image"])
    rows, cols = scene.grid.shape
    assert rows < SIZE
    assert cols < SIZE
    left, top = ~asset_grid(10).transform @ (scene.grid.bounds[0], scene.grid.bounds[3])
    row, col = round(top), round(left)
    assert (top, left) == pytest.approx((row, col))
    expected = (stored("B02", 1, 10)[0, row : row + rows, col : col + cols].astype(float) - 1000) * 1e-4
    clear = scene.valid
    np.testing.assert_allclose(scene.array[0][clear], expected[clear], atol=1e-6)


def test_a_second_ingestion_asks_for_no_file_and_writes_no_scene(world, tmp_path):
    files, url = world
    dataset = declared(tmp_path, url)
    ingest(tmp_path / "fetched", dataset)
    before = len(files.asked)
    report = ingest(tmp_path / "fetched", dataset)
    assert (report.ingested, report.skipped) == ((), ("july", "june"))
    assert len(files.asked) == before


def test_busy_cut_and_wrong_answers_cost_time_and_nothing_else(world, tmp_path):
    files, url = world
    files.faults["/june/blue.tif"] = [busy(503, "0"), cut(0.5)]
    files.faults["/june/nir.tif"] = [other(b"not the file")]
    report = ingest(tmp_path / "fetched", declared(tmp_path, url))
    assert (report.ingested, report.quarantined) == (("july", "june"), ())


def test_what_cannot_be_fetched_is_reported_as_missing_and_limited(world, tmp_path):
    files, url = world
    faults = [busy(410, None)]
    files.faults["/july/nir.tif"] = list(faults)
    report = ingest(tmp_path / "fetched", declared(tmp_path, url, max_missing=0.5))
    assert (report.ingested, report.missing, report.missing_fraction) == (("june",), ("july",), 0.5)
    assert "nir.tif: HTTP 410" in report.quarantined[0].reason
    files.faults["/july/nir.tif"] = list(faults)
    with pytest.raises(TooMuchMissing, match="50% of the items could not be fetched, limit 10%"):
        ingest(tmp_path / "again", declared(tmp_path, url, max_missing=0.1))


def test_links_are_signed_by_the_declared_function(world, tmp_path, monkeypatch):
    files, url = world
    module = types.ModuleType("toy_signing")
    module.sign = lambda href: f"{href}?signature=1"
    monkeypatch.setitem(sys.modules, "toy_signing", module)
    before = len(files.asked)
    ingest(tmp_path / "fetched", declared(tmp_path, url, sign="toy_signing:sign"))
    assert all(path.endswith("?signature=1") for path, _ in files.asked[before:])
    with pytest.raises(BadParams, match="toy_signing:nothing"):
        ingest(tmp_path / "fetched", declared(tmp_path, url, sign="toy_signing:nothing"))


def test_the_report_of_the_command_is_json(world, tmp_path):
    _, url = world
    report = ingest(tmp_path / "fetched", declared(tmp_path, url)).as_dict()
    assert json.loads(json.dumps(report))["missing_fraction"] == 0.0


def test_the_search_is_by_place_time_collection_and_cloud(world):
    _, url = world

    def ids(**changes):
        return [item["id"] for item in search(StacLayout(**layout(url, **changes)))]

    assert ids() == ["july", "june"]
    assert ids(max_cloud=None) == ["cloudy", "july", "june"]
    assert ids(datetime="2024-07-01/2024-07-31") == ["july"]
    assert ids(bbox=[10, 45, 11, 46]) == []
    around = {"type": "Polygon", "coordinates": [[[3.0, 45.1], [3.1, 45.2], [3.0, 45.2], [3.0, 45.1]]]}
    assert ids(bbox=None, intersects=around) == ["july", "june"]


def test_more_matches_than_allowed_are_an_error_and_no_silent_cut(world):
    _, url = world
    with pytest.raises(BadParams, match="more than 2 items match"):
        search(StacLayout(**layout(url, max_items=2)))


@contextmanager
def scripted_api(*answers):
    """An API whose answers to searches are these (status, headers, JSON), the last one again and again."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
            links = [{"rel": "search", "href": f"{url}/search", "method": "POST"}, {"rel": "self", "href": url}]
            landing = {"type": "Catalog", "id": "scripted", "stac_version": "1.0.0", "description": "scripted"}
            self.say(200, {}, {**landing, "conformsTo": conforms, "links": links})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.say(*answers[min(len(asked), len(answers)) - 1])

        def say(self, status, headers, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            known = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in {**known, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield url, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(*ids, **more):
    features = [{"type": "Feature", "id": each, "properties": {}, "links": [], "assets": {}} for each in ids]
    return {"type": "FeatureCollection", "features": features, "links": [], **more}


def test_a_busy_api_is_asked_again():
    with scripted_api((503, {"Retry-After": "0"}, {}), (429, {"Retry-After": "0"}, {}), (200, {}, page("a"))) as api:
        url, asked = api
        assert [item["id"] for item in search(StacLayout(**layout(url)))] == ["a"]
        assert len(asked) == 3


@pytest.mark.parametrize("count", [{"numberMatched": 5}, {"context": {"matched": 5}}])
def test_pages_that_hold_fewer_items_than_the_api_counts_are_an_error(count):
    answer = (200, {}, page("a", "b", **count))
    with scripted_api(answer) as (url, _), pytest.raises(SourceUnavailable, match="5 items match, 2 came"):
        search(StacLayout(**layout(url)))


def test_features_label_the_scenes_of_an_api_with_their_age_beside_that_of_the_image(world, tmp_path):
    _, url = world
    (tmp_path / "fetched").mkdir()
    ring = [[3.0, 45.14], [3.0038, 45.14], [3.0038, 45.16], [3.0, 45.16], [3.0, 45.14]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "fetched" / "map.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    classes = {0: {"name": "other", "colour": [0, 0, 0]}, 1: {"name": "field", "colour": [0, 99, 0]}}
    vectors = {"file": "map.geojson", "codes": {"*": 1}, "date": "2022-06-01"}
    dataset = declare(
        tmp_path,
        layout=layout(url, crop=False),
        image=IMAGE,
        properties={},
        label={"vectors": vectors, "classes": classes},
    )
    ingest(tmp_path / "fetched", dataset)
    source = read_sources(dataset / "raw")[1]
    codes = read_scene(source.files["mask"]).array[0]
    assert (codes[:, :29] == 1).all()
    assert (codes[:, 31:] == 0).all()
    assert source.properties["swath:mask"]["age"]["days since newest"] == 731


def test_an_api_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"http://127\.0\.0\.1:9: the search failed"):
        search(StacLayout(**layout("http://127.0.0.1:9")), retries=0)
