"""What an item says of its bands: made-up items for each rule, real items of four catalogues."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest

from components.errors import BadParams, BadScene
from components.ingestion.layouts import StacLayout
from components.ingestion.roles import ImageDeclaration
from components.ingestion.stac.items import plan_of
from tests.ingestion.stac_api import make_item

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "generic" / "stac_odc"
LAYOUT = {"kind": "stac", "url": "http://x", "collections": ["a"], "bbox": [0, 0, 1, 1], "datetime": "2020"}
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are absent; set SWATH_REAL_DATA")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_item(tmp_path_factory.mktemp("items"), "http://files", "one")


@pytest.fixture
def item(template):
    return copy.deepcopy(template)


def image(*bands, **changes):
    storage = {"dtype": "float32"}
    return ImageDeclaration(**{"bands": bands or ("blue",), "unit": "reflectance", "storage": storage, **changes})


def planned(item, *bands, layout=None, **changes):
    return plan_of(item, image(*bands, **changes), StacLayout(**{**LAYOUT, **(layout or {})}))


def offset(item, **changes):
    made = planned(item, **changes).bands[0].radiometry
    return round(made.offset, 9), made.offset_from


def test_bands_come_in_the_declared_order_by_any_of_their_names(item):
    plan = planned(item, "swir16", "B2", "nir")
    assert [(each.band, each.asset) for each in plan.bands] == [("B11", "swir16"), ("B02", "blue"), ("B08", "nir")]
    assert plan.bands[1].href == "http://files/one/blue.tif"
    assert plan.bands[1].grid.shape == (60, 60)
    assert plan.bands[0].grid.shape == (30, 30)


@pytest.mark.parametrize("baseline", ["04.00", "05.10", "0510"])
def test_from_baseline_4_on_the_offset_is_taken_away(item, baseline):
    item["properties"]["s2:processing_baseline"] = baseline
    assert offset(item)[0] == -0.1


def test_before_baseline_4_there_is_no_offset(item):
    item["properties"]["s2:processing_baseline"] = "03.01"
    assert offset(item) == (0.0, "processing baseline 03.01")


def test_the_baseline_is_read_from_the_name_of_the_product(item):
    del item["properties"]["s2:processing_baseline"]
    item["properties"]["s2:product_uri"] = "S2A_MSIL2A_20240601T103031_N0510_R108_T31TDK_20240601T180000.SAFE"
    assert offset(item) == (-0.1, "processing baseline 05.10")


def test_without_any_baseline_the_item_is_refused_and_the_user_can_state_the_offset(item):
    del item["properties"]["s2:processing_baseline"]
    with pytest.raises(BadScene, match="BOA_ADD_OFFSET is unknown; state image"):
        planned(item)
    assert offset(item, offset=-0.1) == (-0.1, "dataset.yaml")


def test_an_offset_that_the_provider_applied_is_not_applied_again(item):
    item["properties"]["earthsearch:boa_offset_applied"] = True
    item["assets"]["blue"]["raster:bands"] = [{"scale": 1e-4, "offset": -0.1}]
    assert offset(item) == (0.0, "applied by the provider")


def test_the_raster_extension_stands_above_the_baseline(item):
    item["assets"]["blue"]["raster:bands"] = [{"scale": 2e-4, "offset": -0.2, "nodata": 0}]
    band = planned(item).bands[0]
    assert (band.radiometry.scale, band.radiometry.offset, band.nodata) == (2e-4, -0.2, 0.0)


def test_stac_1_1_bands_are_understood(item):
    asset = item["assets"]["blue"]
    del asset["eo:bands"]
    asset["bands"] = [{"name": "B02", "eo:common_name": "blue", "raster:scale": 1e-4, "raster:offset": -0.1}]
    made = planned(item).bands[0].radiometry
    assert (made.scale, made.offset, made.scale_from) == (1e-4, -0.1, "raster extension")


def test_a_common_name_that_several_assets_share_is_refused_by_name(item):
    item["properties"] |= {"constellation": "landsat", "platform": "landsat-8"}
    item["assets"]["other"] = {**item["assets"]["blue"]}
    with pytest.raises(BadScene, match=r"2 assets hold B02: blue, other; .*say which in layout\.assets"):
        planned(item, scale=1e-4)
    plan = planned(item, scale=1e-4, layout={"assets": {"blue": "other"}})
    assert plan.bands[0].asset == "other"


def test_band_numbers_of_other_sensors_are_not_taken_for_those_of_sentinel_2(item):
    item["properties"] |= {"constellation": "landsat", "platform": "landsat-8"}
    item["assets"]["blue"]["eo:bands"] = [{"name": "B8", "common_name": "pan"}]
    item["assets"]["nir"]["eo:bands"] = [{"name": "B5", "common_name": "nir08"}]
    with pytest.raises(BadScene, match="no asset holds B08"):
        planned(item, "nir", scale=1e-4)


def test_reflectance_without_a_scale_is_refused(item):
    item["properties"] |= {"constellation": "landsat", "platform": "landsat-8"}
    with pytest.raises(BadScene, match="no scale from numbers to reflectance; state"):
        planned(item)


def test_jpeg_2000_is_refused_by_name(item):
    item["assets"]["blue"]["type"] = "image/jp2"
    with pytest.raises(BadScene, match="asset blue is image/jp2"):
        planned(item)


def test_an_s3_link_gives_way_to_its_http_alternate(item):
    item["assets"]["blue"] |= {"href": "s3://bucket/b.tif", "alternate": {"https": {"href": "https://host/b.tif"}}}
    assert planned(item).bands[0].href == "https://host/b.tif"


def test_a_box_across_the_antimeridian_is_refused_by_name():
    with pytest.raises(ValueError, match="bbox crosses the antimeridian"):
        StacLayout(**{**LAYOUT, "bbox": [179, -17, -179, -16]})


def real_items():
    """Every item of the real samples by file name; the first three of a collection."""
    for path in sorted(REAL.glob("*json")):
        found = json.loads(path.read_text())
        for each in found.get("features", [found])[:3]:
            if each.get("type") == "Feature":
                yield path.name, each


S2 = ("blue", "red", "B8A", "swir16")
PC_S2 = [("B02", "B02", 10), ("B04", "B04", 10), ("B8A", "B8A", 20), ("B11", "B11", 20)]
LANDSAT = [("B02", "blue", 30), ("B04", "red", 30), ("B8A", "nir08", 30), ("B11", "swir16", 30)]
# file -> (bands, CRS, shape of the first, offset from), or the refusal
EXPECTED = {
    "LC08_L2SP_028030_20200114_20200824_02_T1_SR.json": (LANDSAT, 32615, (8041, 7931), "no offset"),
    "LE07_L2SP_044033_20210329_20210424_02_T1_SR.json": (LANDSAT, 32610, (7131, 8151), "no offset"),
    "LC08_L2SR_081119_20200101_20200823_02_T2.json": (
        [(b, f"SR_B{n}.TIF", 1150.65) for b, n in (("B02", 2), ("B04", 4), ("B8A", 5), ("B11", 6))],
        3031,
        (200, 200),
        "no offset",
    ),
    "S2A_28QCH_20200714_0_L2A.json": (PC_S2, 32628, (10980, 10980), "processing baseline 02.14"),
    "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531.json": (
        PC_S2, 32606, (10980, 10980), "processing baseline 02.12",
    ),
    "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext.json": (
        PC_S2, 32606, (10980, 10980), "processing baseline 02.12",
    ),
    "site1-20200606-tall-strip-africa.geojson": (PC_S2, None, (10980, 10980), "processing baseline 02.12"),
    "site2-2020_jun_jul-35MNM.geojson": (PC_S2, 32735, (10980, 10980), "processing baseline 02.12"),
    "ga_ls8c_ard_3-1-0_088080_2020-05-25_final.stac-item.json": "no asset holds B02; offered: nbart_blue",
    "only_crs_proj.json": "no asset holds B02; offered: BS_PC_10",
    "lidar_dem.json": "no asset holds B02; offered: none with a band",
}  # fmt: skip


@pytest.mark.real
@needs_real
def test_every_real_item_gives_bands_scale_and_grid_or_says_why_not():
    seen = set()
    for name, each in real_items():
        seen.add(name)
        expected = EXPECTED[name]
        scale = {} if "S2" in each["id"] else {"scale": 2.75e-5}
        if isinstance(expected, str):
            with pytest.raises(BadScene) as refusal:
                planned(each, *S2, **scale)
            assert expected in str(refusal.value)
            continue
        bands, epsg, shape, reason = expected
        found = planned(each, *S2, **scale).bands
        assert [(b.band, b.asset, round(-b.grid.transform.e, 2)) for b in found] == bands
        assert found[0].grid.crs.to_epsg() == (epsg or each["properties"]["proj:epsg"])
        assert found[0].grid.shape == shape
        assert {(b.radiometry.scale, b.radiometry.offset_from) for b in found} == {(scale.get("scale", 1e-4), reason)}
    assert seen == set(EXPECTED)


@pytest.mark.real
@needs_real
def test_real_landsat_without_a_stated_scale_is_refused():
    each = json.loads((REAL / "LC08_L2SP_028030_20200114_20200824_02_T1_SR.json").read_text())
    with pytest.raises(BadScene, match="no scale from numbers to reflectance"):
        planned(each, *S2)


@pytest.mark.real
@needs_real
def test_real_items_come_with_nodata_mask_and_tile_where_they_say_so():
    each = json.loads((REAL / "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext.json").read_text())
    plan = planned(each, "blue", layout={"mask": {"asset": "scl"}})
    assert (plan.place, plan.mask.asset, plan.bands[0].nodata) == ("06VVN", "SCL", 0.0)
    landsat = json.loads((REAL / "LE07_L2SP_044033_20210329_20210424_02_T1_SR.json").read_text())
    found = planned(landsat, "blue", scale=2.75e-5)
    assert (found.place, found.bands[0].checksum[:4]) == ("044033", "1340")


@pytest.mark.real
@needs_real
def test_a_real_dea_item_is_read_once_the_assets_are_named():
    each = json.loads((REAL / "ga_ls8c_ard_3-1-0_088080_2020-05-25_final.stac-item.json").read_text())
    plan = planned(each, "blue", "red", scale=1e-4, layout={"assets": {"blue": "nbart_blue", "red": "nbart_red"}})
    assert [each.asset for each in plan.bands] == ["nbart_blue", "nbart_red"]
    assert plan.bands[0].grid.crs.to_epsg() == 32656


def test_unknown_fields_of_the_place_are_named(item):
    with pytest.raises((BadScene, BadParams), match=r"layout\.place asks for 'city'"):
        planned(item, layout={"place": "{city}"})
