"""Real radar images: looks, ratio and radiometry are what speckle theory says."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.metrics.speckle import Suppression, mean_of_intensity
from components.raster.grid import Grid
from components.raster.radiometry import equivalent_looks, require_looks
from components.raster.scene import Scene
from components.tasks.despeckling.classical import FILTERS, classical
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.scenes import FILTERED, NOISY

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
SINGLE_LOOK = REAL / "sar_speckle" / "deepdespeckling" / "test_image_data.npy"
OPERA = REAL / "change_sar" / "opera_rtc_s1_10SGD"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not SINGLE_LOOK.is_file() or not OPERA.is_dir(), reason=f"no SAR samples at {REAL}"),
]


def single_look():
    parts = np.squeeze(np.load(SINGLE_LOOK)).astype(np.float32)
    return (parts**2).sum(-1)


def scene(array):
    return Scene(array[None], Grid(None, rasterio.Affine.identity(), array.shape), ("VV",), "intensity", float("nan"))


def test_a_single_look_image_has_about_one_look():
    assert require_looks(scene(single_look()), 1, tolerance=0.35)["VV"] == pytest.approx(1, rel=0.35)


def test_multilooked_land_has_two_to_six_looks_on_every_date():
    files = sorted(OPERA.rglob("*-IW2_*_VV.tif"))
    land = [path for path in files if "292320-IW2" in path.name or "292323-IW2" in path.name]
    assert len(land) == 42
    for path in land[::5]:
        with rasterio.open(path) as opened:
            looks = equivalent_looks(scene(opened.read(1)))["VV"]
        assert 2 < looks < 6, path.name


@pytest.mark.parametrize("name", ["lee", "refined-lee", "bm3d"])
def test_filters_keep_the_radiometry_of_a_real_single_look_image(name):
    noisy = single_look()
    filtered = FILTERS[name].apply(noisy, 1)
    found = Suppression.of(noisy, filtered)
    assert mean_of_intensity(noisy, filtered) == pytest.approx(1, abs=0.1)
    assert found.ratio_mean == pytest.approx(1, abs=0.1)
    assert 0.5 < found.ratio_variance < 1.5


def test_block_matching_takes_oversampled_speckle_for_ground_unless_every_second_pixel_is_filtered_with_its_like():
    noisy, found = single_look(), {}
    for spacing in (1, 2):
        options = MethodOptions(name="sar-bm3d", bands=("VV",), looks=1, spacing_px=spacing)
        said = classical("sar-bm3d", options).predict({NOISY: scene(noisy)})[FILTERED].array[0]
        found[spacing] = Suppression.of(noisy, said)
    assert found[1].ratio_variance < 0.6
    assert found[2].ratio_variance == pytest.approx(1, abs=0.15)
    assert found[2].ratio_mean == pytest.approx(1, abs=0.05)
