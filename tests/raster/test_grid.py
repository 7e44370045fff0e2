from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import GridMismatch
from components.raster.grid import Grid, Window, windows
from tests.scenes import UTM31, WGS84, make_grid

SHAPES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@settings(deadline=None, max_examples=50)
@given(SHAPES, st.integers(1, 80), st.data())
def test_windows_cover_every_pixel_and_stay_inside(shape, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    seen = np.zeros(shape, int)
    for window in windows(shape, size, overlap):
        assert window.rows == min(size, shape[0])
        assert window.cols == min(size, shape[1])
        seen[window.slices] += 1
    assert seen.min() >= 1


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 300), st.integers(2, 60), st.data())
def test_neighbouring_windows_share_the_overlap(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    starts = [window.row for window in windows((length, 1), size, overlap)]
    assert all(first + size - second >= overlap for first, second in pairwise(starts))


@pytest.mark.parametrize("overlap", [-1, 16, 17])
def test_an_overlap_that_does_not_leave_a_step_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        list(windows((64, 64), 16, overlap))


def test_pixels_of_equal_degrees_are_narrower_than_high_away_from_the_equator():
    # WGS 84 at 40 degrees north: 111.035 km a degree of latitude, 85.394 km of longitude.
    height, width = Grid(WGS84, Affine(0.00018, 0, -120, 0, -0.00018, 40), (2, 2)).pixel_size_m
    assert height == pytest.approx(0.00018 * 111_035, rel=1e-4)
    assert width == pytest.approx(0.00018 * 85_394, rel=1e-4)


def test_pixels_of_a_metric_grid_have_their_own_size():
    assert make_grid(pixel=10.0).pixel_size_m == pytest.approx((10.0, 10.0))


def test_pixels_without_crs_have_no_size_in_metres():
    with pytest.raises(ValueError, match="without CRS"):
        _ = make_grid(crs=None).pixel_size_m


def test_a_crop_keeps_its_place_on_the_ground():
    part = make_grid((64, 64)).crop(Window(10, 20, 8, 4))
    assert part.shape == (8, 4)
    assert part.transform @ (0, 0) == make_grid((64, 64)).transform @ (20, 10)


def test_a_crop_beyond_the_edge_is_refused():
    with pytest.raises(ValueError, match="leaves the grid"):
        make_grid((64, 64)).crop(Window(60, 0, 8, 8))


@pytest.mark.parametrize(("moved_px", "same"), [(0.0, True), (0.0005, True), (0.01, False), (1.0, False)])
def test_grids_are_the_same_to_a_thousandth_of_a_pixel(moved_px, same):
    other = make_grid(corner=(500000.0 + 10 * moved_px, 5000000.0))
    assert make_grid().same_as(other) is same


def test_a_mismatch_names_both_grids():
    with pytest.raises(GridMismatch, match=r"EPSG:32631.*EPSG:4326"):
        make_grid().require_same(make_grid(crs=WGS84, pixel=0.001, corner=(3, 45)))


def test_a_pixel_grid_is_never_the_same_as_one_on_the_ground():
    assert not Grid(None, Affine.identity(), (4, 4)).same_as(Grid(UTM31, Affine.identity(), (4, 4)))


def test_a_grid_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        Grid(UTM31, Affine.identity(), (0, 4))


@settings(deadline=None, max_examples=50)
@given(SHAPES, st.integers(0, 50))
def test_a_padded_window_stays_inside_and_keeps_what_it_had(shape, margin):
    inner = Window(shape[0] // 3, shape[1] // 3, 1, 1)
    outer = inner.padded(margin, shape)
    Grid(None, Affine.identity(), shape).crop(outer)
    moved = inner.within(outer)
    assert moved.row >= 0
    assert moved.row + moved.rows <= outer.rows
