import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
import rasterio.features
from affine import Affine
from rasterio.crs import CRS
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box, shape

from components.errors import GridMismatch, PredictionStopped, UnknownName
from components.inference import sampling
from components.inference.files import predict_file
from components.inference.tiled import predict
from components.raster.align import Resampling, align
from components.raster.cog import write_scene
from components.raster.grid import Grid, Window
from components.raster.io import read_scene
from components.raster.scene import Class, Features, Scene

CLASSES = (Class(0, "same", (0, 0, 0)), Class(1, "darker", (200, 0, 0)))


class Darker:
    """Class 1 where the first band fell; nodata 255 where it was not seen twice."""

    halo_px = 0
    needs_survey = True

    def __init__(self):
        self.largest = 0

    def survey(self, scenes):
        self.largest = max(scenes["before"].grid.shape)
        return self

    def predict(self, scenes):
        before, after = scenes["before"], scenes["after"]
        fell = (after.array[:1] < before.array[:1]).astype(np.uint8)
        fell[:, ~(before.valid & after.valid)] = 255
        return {"change": Scene(fell, before.grid, ("change",), "class", 255, classes=CLASSES)}


class Windowed(Darker):
    needs_survey = False

    def predict(self, scenes):
        self.largest = max(self.largest, *scenes["before"].grid.shape)
        return super().predict(scenes)


class Identity:
    """The input again."""

    halo_px = 0
    needs_survey = False

    def __init__(self):
        self.calls = 0

    def survey(self, scenes):
        raise AssertionError("not needed")

    def predict(self, scenes):
        self.calls += 1
        source = scenes["image"]
        return {"copy": Scene(source.array, source.grid, source.bands, source.unit, np.nan)}


class Wavering(Identity):
    """The input, and beside it a number that differs from tile to tile: what blending is for."""

    blend_px = 32

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        source = scenes["image"]
        place = (source.grid.transform.c + 7 * source.grid.transform.f) / 1280 % 1.0
        return {"copy": Scene(source.array + np.float32(place), source.grid, source.bands, source.unit, np.nan)}


class Boxes(Identity):
    """A box around every patch of ones, with the number of its pixels that the tile saw."""

    halo_px = 16

    def predict(self, scenes):
        source = scenes["image"]
        ones = (source.array[0] == 1).astype(np.uint8)
        found = [shape(each) for each, _ in rasterio.features.shapes(ones, ones == 1, transform=source.grid.transform)]
        pixels = np.array([round(each.area / 100) for each in found], np.int64)
        return {"boxes": Features(tuple(box(*each.bounds) for each in found), source.grid.crs, {"pixels": pixels})}


class Surveying(Identity):
    needs_survey = True

    def survey(self, scenes):
        self.seen = scenes
        return self


def large(folder, size, value=None):
    """A file of one band with an empty corner, in tiles of 256 px."""
    array = np.random.default_rng(0).uniform(size=(1, *size)).astype(np.float32)
    array = array if value is None else np.full_like(array, value)
    array[:, : size[0] // 5, : size[1] // 5] = np.nan if value is None else value
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": size[0], "width": size[1], "nodata": np.nan}
    profile |= {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}
    with rasterio.open(folder / "image.tif", "w", tiled=True, blockxsize=256, blockysize=256, **profile) as dataset:
        dataset.write(array)
    return folder / "image.tif"


def sparse(folder, edge, filled):
    """A file of ``edge`` squared pixels that stores nothing but blocks of 512 px at ``filled``."""
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": edge, "width": edge, "nodata": 0}
    profile |= {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6), "SPARSE_OK": True}
    generator = np.random.default_rng(0)
    with rasterio.open(folder / "sparse.tif", "w", tiled=True, blockxsize=512, blockysize=512, **profile) as dataset:
        for row, col in filled:
            numbers = generator.integers(1, 4000, (1, 512, 512)).astype(np.uint16)
            dataset.write(numbers, window=rasterio.windows.Window(col, row, 512, 512))
    return folder / "sparse.tif"


@pytest.fixture
def pair(tmp_path):
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 5e5, 0, -10, 4e6), (96, 80))
    generator = np.random.default_rng(0)
    for name in ("before", "after"):
        array = generator.uniform(size=(2, 96, 80)).astype(np.float32)
        array[:, :5] = np.nan
        write_scene(Scene(array, grid, ("B02", "B04"), "reflectance", np.nan), tmp_path / f"{name}.tif")
    return {name: tmp_path / f"{name}.tif" for name in ("before", "after")}


def test_the_file_lies_on_the_grid_of_the_inputs_with_classes_and_tags(pair, tmp_path):
    out = tmp_path / "change.tif"
    predict_file(Darker(), pair, out, output="change", tags={"version": "7"})
    found, before = read_scene(out), read_scene(pair["before"])
    assert found.grid.same_as(before.grid)
    assert np.array_equal(found.valid, before.valid)
    assert (found.classes, found.tags["version"]) == (CLASSES, "7")


def test_reading_by_window_gives_the_same_map_as_reading_the_whole(pair, tmp_path):
    windowed = Windowed()
    for method, name in ((Darker(), "whole.tif"), (windowed, "windows.tif")):
        predict_file(method, pair, tmp_path / name, output="change", tile_px=32)
    assert (tmp_path / "whole.tif").read_bytes() == (tmp_path / "windows.tif").read_bytes()
    assert windowed.largest == 32


def test_bands_are_read_by_name(pair, tmp_path):
    red = {"before": ("red",), "after": ("B4",)}
    found = read_scene(predict_file(Darker(), pair, tmp_path / "out.tif", output="change", bands=red).path)
    before, after = (read_scene(path, bands=("B04",)) for path in pair.values())
    assert np.array_equal(found.array == 1, after.array < before.array)


def test_files_on_different_grids_are_refused_before_anything_is_written(pair, tmp_path):
    write_scene(read_scene(pair["after"]).crop(Grid(None, Affine.identity(), (96, 64)).window), pair["after"])
    with pytest.raises(GridMismatch):
        predict_file(Darker(), pair, tmp_path / "out.tif", output="change")
    assert not (tmp_path / "out.tif").exists()


def test_an_unknown_output_names_those_there_are(pair, tmp_path):
    with pytest.raises(UnknownName, match="known: change"):
        predict_file(Darker(), pair, tmp_path / "out.tif", output="height")


def test_a_file_holds_what_memory_would(pair, tmp_path):
    scenes = {name: read_scene(path) for name, path in pair.items()}
    predict_file(Darker(), pair, tmp_path / "out.tif", output="change", tile_px=48)
    assert np.array_equal(read_scene(tmp_path / "out.tif").array, predict(Darker(), scenes, tile_px=48)["change"].array)


def test_the_file_is_a_valid_cog_with_overviews(tmp_path):
    path = large(tmp_path, (1200, 1100))
    predict_file(Identity(), {"image": path}, tmp_path / "out.tif", output="copy", tile_px=512)
    assert cog_validate(str(tmp_path / "out.tif"), strict=True) == (True, [], [])
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
    assert np.array_equal(read_scene(tmp_path / "out.tif").array, read_scene(path).array, equal_nan=True)


@pytest.mark.parametrize("shape", [(1, 1), (33, 7), (1, 10_000), (10_000, 1), (513, 511)])
def test_odd_and_thin_scenes_come_out_as_they_went_in(tmp_path, shape):
    path = large(tmp_path, shape)
    result = predict_file(Identity(), {"image": path}, tmp_path / "out.tif", output="copy", tile_px=256)
    assert np.array_equal(read_scene(tmp_path / "out.tif").array, read_scene(path).array, equal_nan=True)
    assert result.timings.pixels == shape[0] * shape[1]


def test_blended_files_equal_blended_memory_and_have_no_seams(tmp_path):
    path = large(tmp_path, (700, 650))
    scene = read_scene(path)
    predict_file(Wavering(), {"image": path}, tmp_path / "out.tif", output="copy", tile_px=128)
    found = read_scene(tmp_path / "out.tif").array
    np.testing.assert_allclose(found, predict(Wavering(), {"image": scene}, tile_px=128)["copy"].array, atol=1e-6)
    added = found - scene.array
    assert np.nanmax(np.abs(np.diff(added, axis=-1))) < 0.1  # without blending neighbours differ by up to 1


def test_tiles_that_a_sparse_file_does_not_store_are_neither_read_nor_predicted(tmp_path):
    path = sparse(tmp_path, 6000, ((512, 1024),))
    method = Identity()
    result = predict_file(method, {"image": path}, tmp_path / "out.tif", output="copy")
    assert (result.timings.tiles, result.timings.predicted, method.calls) == (144, 1, 1)
    assert np.array_equal(read_scene(tmp_path / "out.tif").array, read_scene(path).array, equal_nan=True)


@pytest.mark.slow
def test_a_scene_of_60000_px_squared_costs_what_was_seen_of_it(tmp_path):
    path = sparse(tmp_path, 60_000, ((0, 0), (30_208, 40_448), (59_392, 59_392)))
    before = psutil.Process().memory_info().rss
    result = predict_file(Identity(), {"image": path}, tmp_path / "out.tif", output="copy")
    assert (result.timings.tiles, result.timings.predicted) == (13_924, 3)
    assert result.timings.peak_mb * 1e6 - before < 200e6
    assert (tmp_path / "out.tif").stat().st_size < 10e6
    window = Window(30_208, 40_448, 512, 512)
    copied, stored = (read_scene(each, window=window).array for each in (tmp_path / "out.tif", path))
    assert np.array_equal(copied, stored)


def test_a_scene_that_was_never_seen_gives_a_file_of_nodata(tmp_path):
    predict_file(Identity(), {"image": sparse(tmp_path, 1500, ())}, tmp_path / "out.tif", output="copy")
    assert not read_scene(tmp_path / "out.tif").valid.any()


def test_a_stopped_prediction_leaves_no_half_file(tmp_path):
    path, asked = large(tmp_path, (600, 600)), []

    def stop():
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(PredictionStopped):
        predict_file(Identity(), {"image": path}, tmp_path / "out.tif", output="copy", tile_px=128, stop=stop)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image.tif"]


def test_a_method_that_fails_leaves_no_half_file_and_its_own_error(tmp_path):
    class Failing(Identity):
        def predict(self, scenes):
            if self.calls == 3:
                raise RuntimeError("bad luck")
            return super().predict(scenes)

    with pytest.raises(RuntimeError, match="bad luck"):
        predict_file(Failing(), {"image": large(tmp_path, (600, 600))}, tmp_path / "o.tif", output="copy", tile_px=128)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image.tif"]


def test_a_disk_that_fills_up_is_an_error_that_names_the_folder(tmp_path):
    small = Path("/dev/full")
    if not small.exists():
        pytest.skip("no /dev/full here")
    path = large(tmp_path, (600, 600))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from components.inference.files import predict_file\n"
        "from tests.inference.test_files import Identity\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "predict_file(Identity(), {'image': Path(sys.argv[1])}, Path(sys.argv[2]), output='copy', tile_px=128)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "out.tif"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "cannot hold the file" in ended.stderr.splitlines()[-1]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image.tif"]


def test_boxes_that_cross_a_seam_are_one_feature_in_the_geojson(tmp_path):
    path = large(tmp_path, (256, 256), value=0.0)
    with rasterio.open(path, "r+") as dataset:
        for row, col in ((120, 120), (30, 30), (125, 60)):
            dataset.write(np.ones((1, 10, 12), np.float32), window=rasterio.windows.Window(col, row, 12, 10))
    predict_file(Boxes(), {"image": path}, tmp_path / "out.geojson", output="boxes", tile_px=128)
    found = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert len(found) == 3
    assert {each["properties"]["pixels"] for each in found} == {120}


def test_a_large_scene_is_surveyed_by_blocks_spread_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "WHOLE_PX", 512 * 512)
    path = large(tmp_path, (1500, 1000))
    method = Surveying()
    predict_file(method, {"image": path}, tmp_path / "out.tif", output="copy")
    seen, whole = method.seen["image"], read_scene(path)
    assert seen.array[0].size <= 512 * 512
    assert abs(float(np.nanmean(seen.array)) - float(np.nanmean(whole.array))) < 0.02


class Difference(Identity):
    """What the second scene shows beyond the first; the first again beside it."""

    def predict(self, scenes):
        first, second = scenes["first"], scenes["second"]
        return {
            "beyond": Scene(second.array - first.array, first.grid, ("beyond",), "m", np.nan),
            "first": first,
        }


def test_an_input_on_another_grid_is_brought_onto_the_first_where_that_is_asked_for(tmp_path):
    fine = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 5_000_000), (700, 600))
    coarse = Grid(CRS.from_epsg(32631), Affine(17, 0, 501_000, 0, -17, 4_999_500), (500, 480))
    rng = np.random.default_rng(3)
    paths = {}
    for name, grid in (("first", fine), ("second", coarse)):
        values = rng.random((1, *grid.shape), dtype=np.float32)
        paths[name] = tmp_path / f"{name}.tif"
        write_scene(Scene(values, grid, ("a",), "m", np.nan), paths[name])
    out, first = tmp_path / "beyond.tif", tmp_path / "copy.tif"
    resampling = {"second": Resampling.bilinear}
    predict_file(Difference(), paths, out, output="beyond", also={"first": first}, resampling=resampling, tile_px=256)
    moved = align(read_scene(paths["second"]), fine, Resampling.bilinear)
    np.testing.assert_allclose(read_scene(out).array, moved.array - read_scene(paths["first"]).array, atol=1e-5)
    np.testing.assert_array_equal(read_scene(first).array, read_scene(paths["first"]).array)
    apart = Grid(fine.crs, Affine(10, 0, 900_000, 0, -10, 5_000_000), (700, 600))
    paths["second"] = tmp_path / "apart.tif"
    write_scene(Scene(np.ones((1, *apart.shape), np.float32), apart, ("a",), "m", np.nan), paths["second"])
    with pytest.raises(GridMismatch, match="do not overlap"):
        predict_file(Difference(), paths, tmp_path / "never.tif", output="beyond", resampling=resampling)
    assert not (tmp_path / "never.tif").exists()
