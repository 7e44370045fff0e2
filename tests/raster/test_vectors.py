import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.crs import CRS
from shapely.geometry import Polygon, box, shape

from components.errors import BadScene, GridMismatch
from components.raster.grid import Window
from components.raster.scene import Features
from components.raster.vectors import polygonise, rasterise, to_geojson
from tests.scenes import UTM31, make_class_map, make_grid, make_scene


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, (9, 7), elements=st.sampled_from([0, 1, 2, 255])))
def test_a_class_map_survives_polygons_and_back(codes):
    scene = make_class_map((9, 7)).with_array(codes[None])
    features = polygonise(scene)
    assert np.array_equal(rasterise(features, scene.grid, "code", background=255).array, scene.array)
    assert all(geometry.is_valid for geometry in features.geometries)


def test_patches_have_their_area_code_and_name():
    scene = make_class_map(patches=(Window(2, 3, 4, 5), Window(40, 40, 2, 2)))
    features = polygonise(scene, skip=(0,))
    assert sorted(geometry.area for geometry in features.geometries) == [4 * 100, 20 * 100]
    assert features.table["name"].tolist() == ["changed", "changed"]


def test_nodata_is_no_polygon():
    scene = make_class_map().with_array(np.full((1, 64, 64), 255, np.uint8))
    assert polygonise(scene).geometries == ()


def test_reflectance_is_not_polygonised():
    with pytest.raises(BadScene, match="one band of class codes"):
        polygonise(make_scene())


def test_features_of_another_crs_are_not_burnt():
    with pytest.raises(GridMismatch, match="reproject the features"):
        rasterise(Features((box(0, 0, 1, 1),), CRS.from_epsg(4326)), make_grid(), None)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="no column 'height' among code"):
        rasterise(Features((), UTM31, {"code": np.array([])}), make_grid(), "height")


@pytest.mark.parametrize(("value", "dtype"), [(7, "uint8"), (300, "int32"), (-1, "int32"), (0.5, "float32")])
def test_the_type_holds_the_values(value, dtype):
    features = Features((box(500000, 4999000, 501000, 5000000),), UTM31, {"v": np.array([value])})
    burnt = rasterise(features, make_grid(), "v", unit="1")
    assert (burnt.array.dtype.name, burnt.array[0, 5, 5]) == (dtype, value)


def test_no_features_burn_nothing():
    assert not rasterise(Features((), UTM31), make_grid(), None).array.any()


def test_geojson_lies_where_the_polygon_lies():
    # 3 degrees east, 45 north is x = 500 km, y = 4 982 950.4 m in zone 31.
    features = Features((box(500000, 4982950.4, 500100, 4983050.4),), UTM31, {"code": np.array([1], np.uint8)})
    found = to_geojson(features)["features"][0]
    assert found["properties"] == {"code": 1}
    west, south, _, _ = shape(found["geometry"]).bounds
    assert (west, south) == pytest.approx((3.0, 45.0), abs=1e-6)


def test_geojson_is_json_with_exterior_rings_counter_clockwise():
    text = json.dumps(to_geojson(polygonise(make_class_map())))
    for feature in json.loads(text)["features"]:
        polygon = shape(feature["geometry"])
        assert isinstance(polygon, Polygon)
        assert polygon.exterior.is_ccw
        assert not any(ring.is_ccw for ring in polygon.interiors)


def test_geojson_is_cut_at_the_antimeridian():
    zone60 = CRS.from_epsg(32660)
    found = to_geojson(Features((box(820_000, 0, 850_000, 10_000),), zone60))["features"][0]["geometry"]
    assert found["type"] == "MultiPolygon"
    assert all(polygon.bounds[2] - polygon.bounds[0] < 1 for polygon in shape(found).geoms)


def test_pixels_without_a_place_are_no_geojson():
    with pytest.raises(BadScene, match="no CRS"):
        to_geojson(polygonise(replace(make_class_map(), grid=make_grid(crs=None))))
