"""A radar series from a real `rustac serve`: one relative orbit, dates from the items, bursts side by side."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from rasterio.warp import transform_bounds

from components.errors import BadParams, BadScene, NotEnoughData, SourceUnavailable, UnknownName
from components.ingestion.declaration import read_declaration
from components.ingestion.stac.series import stac_stack
from components.ingestion.stac.source import search
from tests.ingestion.faulty_server import serving
from tests.ingestion.folders import declare
from tests.ingestion.stac_api import stac_api
from tests.raster.series import FIRST, intensity
from tests.scenes import make_grid, write_plain

pytestmark = pytest.mark.service
SIZE = 20
CORNERS = {"iw1": (500_000.0, 5_000_000.0), "iw2": (500_900.0, 5_000_300.0)}  # 30 columns east, 10 rows north
ORBITS = {137: 3, 64: 2}
BBOX = [2.9, 45.0, 3.2, 45.3]


def pixels(orbit, index, burst, band):
    return intensity((SIZE, SIZE), orbit + 100 * index + 10 * (burst == "iw2") + (band == "VH"))


def radar_item(folder, url, orbit, index, burst, **properties):
    grid = make_grid((SIZE, SIZE), pixel=30.0, corner=CORNERS[burst])
    name = f"rtc-{orbit}-{index}-{burst}"
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)
    assets = {}
    for band in ("VV", "VH"):
        write_plain(folder / name / f"{band}.tif", pixels(orbit, index, burst, band), grid, nodata=float("nan"))
        assets[band.lower()] = {"href": f"{url}/{name}/{band}.tif", "type": "image/tiff; application=geotiff"}
    day = FIRST + timedelta(days=12 * index, hours=0)
    second = 10 + 3 * (burst == "iw2")
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "rtc",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "links": [],
        "properties": {"datetime": f"{day}T01:59:{second}Z", "sat:relative_orbit": orbit, **properties},
        "assets": assets,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stac")
    with serving(folder / "files") as files:
        items = [
            radar_item(files.folder, files.url, orbit, index, burst)
            for orbit, count in ORBITS.items()
            for index in range(count)
            for burst in CORNERS
        ]
        with stac_api(items, folder) as url:
            yield files, url


def declared(tmp_path, url, **layout):
    found = {"kind": "stac", "url": url, "collections": ["rtc"], "bbox": BBOX, "datetime": "2023-01-01/2023-12-31"}
    assets = {"VV": "vv", "VH": "vh"}
    image = {"bands": ["VV", "VH"], "unit": "intensity", "storage": {"dtype": "float32"}}
    layout = {**found, "assets": assets, "place": "{id}", **layout}
    return read_declaration(
        declare(tmp_path, sensor="sentinel-1", layout=layout, image=image, label=None, properties={})
    )


def changed(items, **properties):
    """A search that finds the same items saying something else."""
    return lambda layout: [{**i, "properties": {**i["properties"], **properties}} for i in search(layout)][
        : items or None
    ]


def test_one_orbit_becomes_a_series_with_the_bursts_of_a_date_side_by_side(world, tmp_path):
    files, url = world
    files.asked.clear()
    source = stac_stack(tmp_path / "fetched", declared(tmp_path, url), orbit=137)
    assert {path.split("/")[1].split("-")[1] for path, _ in files.asked} == {"137"}, "other orbits are not fetched"
    assert [f"{date:%Y-%m-%d %H:%M}" for date in source.dates] == [
        f"{FIRST + timedelta(days=12 * index)} 01:59" for index in range(3)
    ]
    assert (source.bands, source.unit, source.orbit, source.grid.shape) == (("VV", "VH"), "intensity", "137", (30, 50))
    stack = source.read()
    for index in range(3):
        for number, band in enumerate(source.bands):
            np.testing.assert_array_equal(stack.array[index, number, 10:, :20], pixels(137, index, "iw1", band)[0])
            np.testing.assert_array_equal(stack.array[index, number, :20, 30:], pixels(137, index, "iw2", band)[0])
    assert np.isnan(stack.array[:, :, :10, :20]).all()


def test_what_is_there_is_not_fetched_again(world, tmp_path):
    files, url = world
    stac_stack(tmp_path / "fetched", declared(tmp_path, url), orbit=64)
    files.asked.clear()
    stac_stack(tmp_path / "fetched", declared(tmp_path, url), orbit=64)
    assert files.asked == []


def test_mixed_orbits_are_named_and_nothing_is_fetched(world, tmp_path):
    files, url = world
    files.asked.clear()
    with pytest.raises(BadScene, match=r"137 \(3 dates\), 64 \(2 dates\) are mixed"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, url))
    assert files.asked == []
    with pytest.raises(UnknownName, match="orbit"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, url), orbit=8)


def test_too_few_dates_are_named(world, tmp_path):
    with pytest.raises(NotEnoughData, match=r"expected at least 5 dates, found 2 \(2023-01-03, 2023-01-15\)"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, world[1]), orbit=64, least=5)


@pytest.mark.parametrize("name", ["sat:relative_orbit", "datetime"])
def test_an_item_that_does_not_say_when_or_from_where_is_refused(world, tmp_path, name):
    with pytest.raises(BadScene, match=f"has no {name}"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, world[1]), find=changed(1, **{name: None}))


def test_one_footprint_twice_in_a_pass_is_refused(world, tmp_path):
    """As when a product was processed again and both stand in the catalogue."""

    def find(layout):
        items = changed(None)(layout)
        wanted = [item for item in items if item["id"].startswith("rtc-64") and item["id"].endswith("iw1")]
        return [{**item, "properties": {**item["properties"], "datetime": "2023-01-03T01:59:10Z"}} for item in wanted]

    with pytest.raises(BadScene, match="2023-01-03 stands twice"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, world[1]), find=find)


def test_a_date_that_cannot_be_fetched_is_never_left_out(world, tmp_path):
    files, url = world
    path = files.folder / "rtc-64-1-iw2" / "VH.tif"
    kept = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(SourceUnavailable, match=r"1 of 8 files could not be fetched \(rtc-64-1-iw2/vh"):
            stac_stack(tmp_path / "fetched", declared(tmp_path, url), orbit=64)
    finally:
        path.write_bytes(kept)


def test_numbers_that_need_a_scale_and_masks_are_refused(world, tmp_path):
    def find(layout):
        items = changed(None)(layout)
        scaled = {"raster:bands": [{"scale": 1e-3}]}
        return [{**i, "assets": {k: {**a, **scaled} for k, a in i["assets"].items()}} for i in items]

    with pytest.raises(BadScene, match=r"stored with scale 0\.001"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, world[1]), orbit=64, find=find)
    with pytest.raises(BadParams, match="no mask and no cloud"):
        stac_stack(tmp_path / "fetched", declared(tmp_path, world[1], max_cloud=20), orbit=64)
