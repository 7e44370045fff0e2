import os
from pathlib import Path

import numpy as np
import pytest

from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.stacks import opera_stack

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
OPERA = REAL / "change_sar" / "opera_rtc_s1_10SGD"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not OPERA.is_dir(), reason=f"no real samples at {OPERA}; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def source():
    return opera_stack(OPERA)


def test_the_real_series_has_21_dates_of_one_orbit(source):
    assert (len(source.dates), source.bands, source.unit, source.orbit) == (21, ("VV", "VH"), "intensity", "137")
    assert source.grid.crs.to_epsg() == 32611
    assert all(len(parts) == 24 for parts in source.layers)  # 12 bursts in two polarisations


def test_every_real_burst_lies_where_its_file_says(source):
    part = source.layers[-1][5]
    scene = read_scene(part.path)
    stack = source.read(part.window)
    assert stack.grid.same_as(scene.grid)
    mine = stack.array[-1, source.bands.index(part.bands[0])]
    positive = scene.array[0] > 0
    assert np.array_equal(mine[positive], scene.array[0][positive])


def test_between_the_real_bursts_there_is_nothing(source):
    held = sum(window.rows * window.cols for window in {part.window for part in source.layers[0]})
    assert held == 12 * 100 * 100
    assert np.isnan(source.read(Window(0, 1500, 64, 64)).array).all()
