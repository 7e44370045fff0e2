import numpy as np
import pytest

from components.errors import BandMismatch, GridMismatch, UnitMismatch
from components.raster.grid import Window
from components.raster.scene import Scene, Stack, require_one_grid, valid_pixels
from tests.scenes import MARCH, make_class_map, make_grid, make_scene


def test_an_array_of_another_shape_names_the_right_one():
    with pytest.raises(ValueError, match=r"\(band, row, col\)"):
        Scene(np.zeros((4, 4)), make_grid((4, 4)), ("B02",), "1")


def test_an_array_that_does_not_fit_its_bands_is_refused():
    with pytest.raises(ValueError, match="2 bands"):
        Scene(np.zeros((3, 4, 4)), make_grid((4, 4)), ("B02", "B03"), "1")


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit 'volts'"):
        Scene(np.zeros((1, 4, 4)), make_grid((4, 4)), ("B02",), "volts")


def test_bands_are_selected_by_alias_in_the_wanted_order():
    scene = make_scene()
    chosen = scene.select(["swir22", "B2"])
    assert chosen.bands == ("B12", "B02")
    assert np.array_equal(chosen.array, scene.array[[4, 0]])


def test_a_band_that_is_missing_is_named():
    with pytest.raises(BandMismatch, match="B11"):
        make_scene().select(["B11"])


def test_a_crop_is_the_same_pixels_on_the_cropped_grid():
    scene, window = make_scene(), Window(3, 5, 7, 9)
    part = scene.crop(window)
    assert part.grid == scene.grid.crop(window)
    assert np.shares_memory(part.array, scene.array)


@pytest.mark.parametrize(("dtype", "nodata"), [("float32", None), ("uint16", 0)])
def test_pixels_in_a_hole_are_not_valid(dtype, nodata):
    hole = Window(2, 3, 4, 5)
    scene = make_scene(dtype=dtype, nodata=nodata, hole=hole)
    assert not scene.valid[hole.slices].any()
    assert (~scene.valid).sum() == 20


def test_one_band_without_a_value_makes_the_pixel_invalid():
    array = np.ones((2, 2, 2), np.float32)
    array[1, 0, 0], array[0, 1, 1] = np.nan, np.inf
    assert valid_pixels(array, None).tolist() == [[False, True], [True, False]]


def test_decibels_are_not_taken_for_intensity():
    with pytest.raises(UnitMismatch, match="expected unit intensity, found db"):
        make_scene(unit="db").require("intensity")


def test_scenes_of_different_grids_are_not_mixed():
    with pytest.raises(GridMismatch, match=r"before .*after"):
        require_one_grid({"before": make_scene(), "after": make_scene(grid=make_grid(pixel=20.0))})


def test_scenes_of_one_grid_share_it():
    assert require_one_grid({"image": make_scene(), "mask": make_class_map()}) == make_grid()


def test_the_dates_of_a_stack_ascend():
    with pytest.raises(ValueError, match="ascend"):
        Stack(np.zeros((2, 1, 4, 4)), make_grid((4, 4)), ("VV",), "intensity", (MARCH, MARCH.replace(month=1)))
