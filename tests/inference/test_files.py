import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from components.errors import GridMismatch, UnknownName
from components.inference.files import predict_file
from components.raster.cog import write_scene
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Class, Scene

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
    maps = [
        predict_file(method, pair, tmp_path / "out.tif", output="change", tile_px=32).array
        for method in (Darker(), windowed)
    ]
    assert np.array_equal(*maps)
    assert windowed.largest == 32


def test_bands_are_read_by_name(pair, tmp_path):
    red = {"before": ("red",), "after": ("B4",)}
    found = predict_file(Darker(), pair, tmp_path / "out.tif", output="change", bands=red)
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
