import os
from pathlib import Path

import numpy as np
import pytest
from rio_cogeo import cog_validate

from components.raster.cog import retile, write_scene
from components.raster.io import read_scene

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "change_optical"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason=f"no real samples at {REAL}; set SWATH_REAL_DATA"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


def fires():
    return sorted((REAL / "s2_california_wildfire" / "pre_fire").glob("*.tif"))


def test_every_real_fire_survives_writing_and_reading(tmp_path):
    for path in fires():
        scene = read_scene(path)
        assert scene.bands == ("B02", "B03", "B04", "B08", "B12")
        write_scene(scene, tmp_path / "copy.tif")
        copy = read_scene(tmp_path / "copy.tif")
        assert np.array_equal(copy.array, scene.array, equal_nan=True)
        assert copy.grid.same_as(scene.grid)
    assert len(fires()) == 12


def test_a_real_border_without_data_is_not_valid():
    assert sum(not read_scene(path).valid.all() for path in fires()) == 1


@pytest.mark.parametrize("folder", ["levir_cd_samples", "dsifn_samples"])
def test_real_pictures_are_pixel_grids_and_become_cogs_without_crs(tmp_path, folder):
    path = sorted((REAL / folder / "A").glob("*.png"))[0]
    scene = read_scene(path)
    assert (scene.grid.crs, scene.bands, scene.unit) == (None, ("B04", "B03", "B02"), "digital_number")
    retile(path, tmp_path / "picture.tif")
    assert cog_validate(tmp_path / "picture.tif", strict=True)[0]
    assert np.array_equal(read_scene(tmp_path / "picture.tif").array, scene.array)
