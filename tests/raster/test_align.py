from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from components.errors import BadScene, GridMismatch
from components.raster.align import Resampling, align, read_aligned
from components.raster.cog import write_scene
from components.raster.grid import Grid, Window
from components.raster.scene import Scene
from tests.scenes import WGS84, make_class_map, make_grid, make_scene


def test_a_scene_on_its_own_grid_is_left_alone():
    scene = make_scene()
    assert align(scene, make_grid(), Resampling.cubic) is scene


def test_a_move_by_whole_pixels_changes_no_value():
    scene = make_scene()
    moved = align(scene, make_grid((40, 40), corner=(500000.0 + 50, 5000000.0 - 70)), Resampling.bilinear)
    assert np.allclose(moved.array, scene.array[:, 7:47, 5:45], atol=1e-6)


def test_what_lies_outside_is_nodata():
    moved = align(make_scene(), make_grid(corner=(500000.0 + 100, 5000000.0)), Resampling.nearest)
    assert moved.valid[:, :54].all()
    assert not moved.valid[:, 54:].any()


def test_nodata_does_not_bleed_into_its_neighbours():
    scene = make_scene(dtype="uint16", nodata=0, hole=Window(20, 20, 10, 10))
    moved = align(scene, make_grid(corner=(500000.0 + 3, 5000000.0 - 3)), Resampling.bilinear)
    seen = moved.array[:, moved.valid]
    assert moved.nodata == 0
    assert seen.min() >= scene.array[scene.array > 0].min()


def test_each_band_has_its_own_holes():
    scene = make_scene(bands=("B04", "B08"))
    scene.array[0, 10:30, 10:30] = np.nan
    moved = align(scene, make_grid(corner=(500000.0 + 5, 5000000.0)), Resampling.bilinear)
    assert np.isnan(moved.array[0, 12:28, 12:28]).all()
    assert not np.isnan(moved.array[1, 12:28, 12:28]).any()


def test_averaging_to_coarser_pixels_keeps_the_mean():
    scene = make_scene((60, 60))
    coarse = align(scene, make_grid((20, 20), pixel=30.0), Resampling.average)
    expected = scene.array.reshape(5, 20, 3, 20, 3).mean(axis=(2, 4))
    assert np.allclose(coarse.array, expected, atol=1e-5)


def test_a_ramp_over_longitude_is_a_ramp_after_reprojection():
    degrees = Grid(WGS84, Affine(0.0002, 0, 3.0, 0, -0.0002, 45.0), (80, 80))
    ramp = np.broadcast_to(3.0 + (np.arange(80) + 0.5) * 0.0002, (1, 80, 80))
    there = make_grid((20, 20), corner=(500300.0, 4982500.0))
    found = align(Scene(ramp, degrees, ("x",), "1"), there, Resampling.bilinear).array[0]
    rows, cols = np.mgrid[0:20, 0:20] + 0.5
    lon, _ = Transformer.from_crs(32631, 4326, always_xy=True).transform(500300 + 10 * cols, 4982500 - 10 * rows)
    assert np.abs(found - lon).max() < 1e-3 * 0.0002  # a thousandth of a pixel


@pytest.mark.parametrize("scene", [make_class_map(), make_scene(unit="db")], ids=["codes", "decibels"])
def test_codes_and_decibels_are_never_averaged(scene):
    with pytest.raises(ValueError, match="averages"):
        align(scene, make_grid(pixel=20.0), Resampling.bilinear)


def test_codes_are_picked():
    moved = align(make_class_map(), make_grid((32, 32), pixel=20.0), Resampling.nearest)
    assert set(np.unique(moved.array)) == {0, 1}


def test_integers_without_nodata_must_cover_the_grid():
    scene = replace(make_scene(dtype="uint8", unit="digital_number"), nodata=None)
    assert align(scene, make_grid((10, 10), pixel=20.0), Resampling.nearest).nodata is None
    with pytest.raises(BadScene, match="does not cover"):
        align(scene, make_grid((64, 64), pixel=20.0), Resampling.nearest)


def test_a_pixel_grid_cannot_be_aligned():
    with pytest.raises(GridMismatch, match="give both files their CRS, or the same rows and columns"):
        align(replace(make_scene(), grid=make_grid(crs=None)), make_grid(), Resampling.nearest)


def test_files_are_read_onto_one_grid_as_if_read_whole(tmp_path):
    grids = (make_grid((200, 200)), make_grid((100, 100), pixel=20.0))
    scenes = [make_scene(grid.shape, ("B04", "B08"), seed=seed, grid=grid) for seed, grid in enumerate(grids)]
    paths = [tmp_path / f"{number}.tif" for number in range(2)]
    for scene, path in zip(scenes, paths, strict=True):
        write_scene(scene, path)
    target = make_grid((30, 30), corner=(500804.0, 4999193.0))
    for scene, found in zip(scenes, read_aligned(paths, target, Resampling.cubic, bands=["nir"]), strict=True):
        assert found.bands == ("B08",)
        assert np.allclose(found.array, align(scene.select(["B08"]), target, Resampling.cubic).array, atol=1e-6)


def test_files_elsewhere_are_refused_by_name(tmp_path):
    write_scene(make_scene(), tmp_path / "here.tif")
    with pytest.raises(GridMismatch, match=r"here\.tif.*do not overlap"):
        read_aligned([tmp_path / "here.tif"], make_grid(corner=(600000.0, 5000000.0)), Resampling.nearest)
