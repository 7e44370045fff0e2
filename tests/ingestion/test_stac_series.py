"""A radar series from a real `rustac serve`: one relative orbit, dates from the items, bursts side by side."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from components.errors import BadParams, BadScene, NotEnoughData, SourceUnavailable, UnknownName
from components.ingestion.declaration import read_declaration
from components.ingestion.stac.series import stac_stack
from components.ingestion.stac.source import search
from tests.ingestion.folders import declare
from tests.ingestion.radar_api import pixels, radar_api, radar_layout
from tests.raster.series import FIRST

pytestmark = pytest.mark.service
ORBITS = {137: 3, 64: 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with radar_api(tmp_path_factory.mktemp("stac"), ORBITS) as found:
        yield found


def declared(tmp_path, url, **layout):
    return read_declaration(
        declare(tmp_path, sensor="sentinel-1", label=None, properties={}, **radar_layout(url, **layout))
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
