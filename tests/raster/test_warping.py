"""Warping: whole-pixel flows are slices, half pixels are means, and no nodata leaks into a value."""

import numpy as np
import pytest
from affine import Affine

from components.errors import BadScene
from components.raster.grid import Grid, Window
from components.raster.warping import flow_in_metres, warp
from tests.scenes import UTM31, WGS84, make_class_map, make_grid, make_scene

KERNELS = ["nearest", "bilinear", "cubic"]


def constant(u, v, shape=(20, 30)):
    return np.stack([np.full(shape, u, np.float32), np.full(shape, v, np.float32)])


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_shift_by_whole_pixels_equals_slicing_up_to_the_edge(kernel):
    scene = make_scene((20, 30))
    found = warp(scene, constant(3, -2), resampling=kernel).array
    assert np.array_equal(found[:, 2:, :-3], scene.array[:, :-2, 3:])
    assert np.isnan(found[:, :2]).all()
    assert np.isnan(found[:, :, -3:]).all()


def test_half_a_pixel_is_the_mean_of_two():
    scene = make_scene((20, 30))
    found = warp(scene, constant(0.5, 0)).array
    assert found[:, :, :-1] == pytest.approx((scene.array[:, :, :-1] + scene.array[:, :, 1:]) / 2, abs=1e-6)
    assert np.isnan(found[:, :, -1]).all()


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_a_ramp_is_resampled_exactly(kernel):
    scene = make_scene((20, 30), ("B04",))
    ramp = scene.with_array(np.indices((20, 30)).sum(0)[None].astype(np.float32))
    inner = warp(ramp, constant(0.3, 0.4), resampling=kernel).array[0, 3:-3, 3:-3]
    assert inner == pytest.approx(ramp.array[0, 3:-3, 3:-3] + 0.7, abs=1e-4)


def test_nodata_is_carried_to_every_pixel_whose_kernel_touches_it():
    scene = make_scene((20, 30), ("B04",), hole=Window(10, 10, 1, 1))
    lost = np.argwhere(np.isnan(warp(scene, constant(0.5, 0)).array[0, :, :-1]))
    assert lost.tolist() == [[10, 9], [10, 10]]
    assert np.isnan(warp(scene, constant(1, 0)).array[0, :, :-1]).sum() == 1


def test_each_band_has_its_own_holes():
    scene = make_scene((20, 30), ("B03", "B04"))
    array = scene.array.copy()
    array[0, 5, 5] = np.nan
    found = warp(scene.with_array(array), constant(0, 0)).array
    assert np.isnan(found[0, 5, 5])
    assert found[1, 5, 5] == array[1, 5, 5]


def test_a_pixel_without_a_flow_is_nodata():
    flow = constant(0, 0)
    flow[0, 4, 4] = np.nan
    assert np.argwhere(~warp(make_scene((20, 30)), flow).valid).tolist() == [[4, 4]]


def test_integers_are_rounded_and_never_become_nodata_by_chance():
    scene = make_scene((20, 30), ("B04",), dtype="uint8", nodata=100)
    array = np.full((1, 20, 30), 99, np.uint8)
    array[:, :, ::2] = 101  # their mean is the nodata value
    found = warp(scene.with_array(array), constant(0.5, 0))
    assert found.array.dtype == np.uint8
    assert (found.array[0, :, :-1] == 101).all()
    assert (found.array[0, :, -1] == 100).all()


def test_integers_without_nodata_value_that_lose_pixels_are_refused():
    scene = make_scene((20, 30), dtype="uint16")
    assert np.array_equal(warp(scene, constant(0, 0)).array, scene.array)
    with pytest.raises(BadScene, match="give the scene a nodata value"):
        warp(scene, constant(1, 0))


def test_codes_and_decibels_are_picked_and_never_averaged():
    codes = make_class_map((20, 30))
    assert set(np.unique(warp(codes, constant(0.4, 0), resampling="nearest").array)) == {0, 1}
    for scene in (codes, make_scene((20, 30), ("VV",), unit="db")):
        with pytest.raises(ValueError, match="averages"):
            warp(scene, constant(0.4, 0))


def test_a_flow_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="expected a flow of shape"):
        warp(make_scene((20, 30)), constant(0, 0, (20, 29)))


def test_metres_of_a_north_up_map_point_south_where_rows_grow():
    found = flow_in_metres(constant(1.5, 2.0), make_grid((20, 30), UTM31, pixel=10.0))
    assert found[:, 0, 0].tolist() == [15.0, -20.0]


def test_metres_of_a_turned_map_follow_its_affine():
    grid = Grid(UTM31, Affine(0, 10, 5e5, 10, 0, 5e6), (20, 30))  # columns run north, rows east
    assert flow_in_metres(constant(1, 2), grid)[:, 0, 0].tolist() == [20.0, 10.0]


def test_degrees_become_metres_at_the_latitude_of_the_pixel():
    grid = Grid(WGS84, Affine(0.001, 0, 5, 0, -0.001, 60.01), (20, 30))
    height, width = grid.pixel_size_m
    found = flow_in_metres(constant(1, -1), grid)[:, 10, 15]
    assert found == pytest.approx([width, height], rel=1e-4)


def test_a_picture_has_no_metres():
    with pytest.raises(ValueError, match="without CRS"):
        flow_in_metres(constant(0, 0), make_grid((20, 30), None))
