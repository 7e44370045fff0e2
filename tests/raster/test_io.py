import threading
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import BadScene, BandMismatch
from components.raster.cog import Encoding, write_scene
from components.raster.grid import Window
from components.raster.handles import HANDLES, close_handles
from components.raster.io import describe, read_scene
from tests.scenes import make_class_map, make_grid, make_scene, write_plain


@pytest.fixture
def stored(tmp_path):
    scene = make_scene((90, 70))
    write_scene(scene, tmp_path / "scene.tif")
    return scene, tmp_path / "scene.tif"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_window_holds_the_pixels_of_the_whole(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "whole.tif"
    scene = make_scene((90, 70))
    if not path.exists():
        write_scene(scene, path)
    row, col = data.draw(st.integers(0, 89)), data.draw(st.integers(0, 69))
    window = Window(row, col, data.draw(st.integers(1, 90 - row)), data.draw(st.integers(1, 70 - col)))
    part = read_scene(path, window=window)
    assert np.array_equal(part.array, scene.crop(window).array)
    assert part.grid == scene.grid.crop(window)


def test_bands_are_read_by_alias_in_the_wanted_order(stored):
    scene, path = stored
    part = read_scene(path, bands=["swir22", "b2"], window=Window(0, 0, 4, 4))
    assert part.bands == ("B12", "B02")
    assert np.array_equal(part.array, scene.array[[4, 0], :4, :4])


def test_a_missing_band_names_file_expected_and_found(stored):
    with pytest.raises(BandMismatch, match=r"scene\.tif: expected bands B11, found B02, B03"):
        read_scene(stored[1], bands=["B11"])


def test_a_window_beyond_the_edge_is_refused(stored):
    with pytest.raises(ValueError, match="leaves the grid"):
        read_scene(stored[1], window=Window(80, 0, 20, 20))


def test_nodata_becomes_nan_and_numbers_become_float32(tmp_path):
    scene = make_scene(dtype="int16", nodata=-9999, hole=Window(0, 0, 3, 3), unit="digital_number")
    back = read_scene(write_plain(tmp_path / "plain.tif", scene.array, nodata=-9999))
    assert back.array.dtype == np.float32
    assert np.isnan(back.array).sum() == 9 * len(scene.bands)
    assert np.array_equal(back.array[:, 3:], scene.array[:, 3:].astype(np.float32))


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_scale_and_offset_of_each_band_are_applied_and_nodata_is_not_scaled(tmp_path, dtype):
    stored = np.array([[[10, -1]], [[20, 30]], [[-1, 40]]], dtype)
    path = write_plain(tmp_path / "scaled.tif", stored, nodata=-1)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5, 1.0, 2.0), (0.0, 1.0, -1.0)
    assert np.array_equal(read_scene(path).array, [[[5, np.nan]], [[21, 31]], [[np.nan, 79]]], equal_nan=True)
    assert np.array_equal(read_scene(path, bands=["band3", "band1"]).array[0], [[np.nan, 79]], equal_nan=True)


def test_nodata_that_float32_cannot_hold_is_found_all_the_same(tmp_path):
    array = np.ones((1, 8, 8))
    array[0, 0, 0] = -1.7976931348623157e308
    back = read_scene(write_plain(tmp_path / "plain.tif", array, nodata=array[0, 0, 0]))
    assert np.isnan(back.array[0, 0, 0])
    assert (~np.isnan(back.array)).sum() == 63


def test_a_mask_inside_the_file_is_nodata_too(tmp_path):
    path = write_plain(tmp_path / "masked.tif", np.full((1, 8, 8), 7, np.uint8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.arange(64).reshape(8, 8) >= 10)
    assert np.isnan(read_scene(path).array).sum() == 10


def test_a_file_of_a_stranger_gets_honest_names_and_unit(tmp_path):
    info = describe(write_plain(tmp_path / "plain.tif", np.zeros((2, 8, 8), np.uint16)))
    assert (info.bands, info.unit, info.acquired) == (("band1", "band2"), "digital_number", None)
    assert not info.tiled


def test_a_class_map_stays_in_codes(tmp_path):
    write_scene(make_class_map(), tmp_path / "map.tif")
    back = read_scene(tmp_path / "map.tif", window=Window(10, 20, 2, 2))
    assert back.array.dtype == np.uint8
    assert back.array.tolist() == [[[1, 1], [1, 1]]]


def test_a_picture_without_a_place_is_a_pixel_grid(tmp_path):
    write_scene(replace(make_scene(), grid=make_grid(crs=None)), tmp_path / "picture.tif")
    assert read_scene(tmp_path / "picture.tif").grid.crs is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<VRTDataset></VRTDataset>", "no TIFF"),
        (b"PK\x03\x04 a zip", "no TIFF"),
        (b"II*\0 not really", "truncated or damaged"),
    ],
)
def test_what_is_no_raster_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "bad.tif"
    path.write_bytes(content)
    with pytest.raises(BadScene, match=rf"bad\.tif: .*{reason}"):
        read_scene(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadScene, match=r"nowhere\.tif: the file cannot be opened"):
        read_scene(tmp_path / "nowhere.tif")


def test_names_that_mean_something_to_gdal_are_only_names():
    with pytest.raises(BadScene, match="cannot be opened"):
        read_scene(Path("/vsicurl/http://169.254.169.254/x.tif"))


def test_a_truncated_file_names_file_and_window(tmp_path):
    path = write_plain(tmp_path / "short.tif", make_scene((300, 300)).array)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BadScene, match=r"short\.tif: Window\(row=290.*truncated"):
        read_scene(path, window=Window(290, 0, 5, 5))


def test_a_replaced_file_is_read_anew(tmp_path):
    path = tmp_path / "scene.tif"
    for seed in (1, 2):
        write_scene(make_scene(seed=seed), path, Encoding("uint16", 1e-4, 0, 65535))
        assert np.allclose(read_scene(path).array, make_scene(seed=seed).array, atol=1e-4)


def test_open_files_stay_few_and_can_be_closed(tmp_path):
    close_handles()
    before = _open_files()
    for number in range(HANDLES + 8):
        path = write_plain(tmp_path / f"{number}.tif", np.zeros((1, 8, 8), np.uint8))
        read_scene(path)
    assert _open_files() <= before + HANDLES
    close_handles()
    assert _open_files() <= before


def test_many_threads_read_the_same_file_at_once(stored):
    scene, path = stored
    wrong: list[int] = []

    def read(number):
        rng = np.random.default_rng(number)
        for row, col in rng.integers(0, 50, (40, 2)).tolist():
            window = Window(row, col, 20, 20)
            if not np.array_equal(read_scene(path, window=window).array, scene.crop(window).array):
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_forked_child_reads_what_its_parent_has_open(stored):
    scene, path = stored
    read_scene(path)
    with get_context("fork").Pool(2) as pool:
        found = pool.map(_total, [path] * 4)
    assert found == pytest.approx([float(scene.array.sum())] * 4)


def _open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def _total(path):
    return float(read_scene(path).array.sum())
