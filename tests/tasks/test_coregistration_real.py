"""Co-registration on the shipped Sentinel-1/Sentinel-2 patch with its true flow: what is known of it holds."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import map_coordinates

from components.metrics.flow import ErrorCounts, end_point_errors
from components.tasks.coregistration import gefolki
from components.tasks.coregistration.gefolki import FolkiSettings
from components.tasks.coregistration.lattice import Lattice
from components.tasks.coregistration.shift import best_constant
from components.tasks.coregistration.structure import structure_of
from components.tasks.coregistration.template_settings import TemplateSettings
from components.tasks.coregistration.window_matching import match

PROJECT = Path(__file__).resolve().parents[2]
PATCH = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data")) / "coregistration/gefolki/S1S2"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not PATCH.is_dir(), reason=f"the real patch is not at {PATCH}; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def truth():
    return np.moveaxis(tifffile.imread(PATCH / "Flow_patch11.tif"), -1, 0).astype(np.float32)


@pytest.fixture(scope="module", params=["S1", "S2"])
def one_sensor(request, truth):
    """The patch of one sensor, and the same fetched through the true flow as reference."""
    image = tifffile.imread(PATCH / f"{request.param}_patch11.tif")[..., 0].astype(np.float32)
    rows, cols = np.indices(image.shape)
    fetched = map_coordinates(image, [rows + truth[1], cols + truth[0]], order=3, mode="nearest")
    return fetched.astype(np.float32), image


def epe(flow, truth):
    return ErrorCounts.of(end_point_errors(flow, truth)).scores()["epe"]


def test_doing_nothing_and_the_best_constant_shift_have_their_known_errors(truth):
    assert epe(np.zeros_like(truth), truth) == pytest.approx(2.82, abs=0.005)
    assert epe(best_constant(truth).flow(truth.shape[1:]), truth) == pytest.approx(1.52, abs=0.005)


@pytest.mark.parametrize("levels", [2, 3])
def test_gefolki_finds_the_true_flow_of_one_sensor_to_a_tenth_of_a_pixel(levels, one_sensor, truth):
    reference, moving = one_sensor
    assert epe(gefolki.estimate(reference, moving, FolkiSettings(levels=levels)), truth) < 0.1


def test_the_published_pair_is_aligned_as_it_is_and_its_flow_yet_to_be_applied(truth):
    radar, optical = (
        tifffile.imread(PATCH / f"{name}_patch11.tif")[..., 0].astype(np.float32) for name in ("S1", "S2")
    )
    settings = TemplateSettings()
    lattice = Lattice.over(radar.shape, settings.step)
    found = match(structure_of(radar), structure_of(optical), lattice, settings)
    there = truth[:, lattice.rows][:, :, lattice.cols]
    far = (np.hypot(*there) > 3) & (found.weight > 0)
    assert far.sum() > 200
    assert (np.hypot(*found.flow)[far] < 1.5).mean() > 0.7
    assert (np.hypot(*(found.flow - there))[far] < 1.5).mean() < 0.05


def test_inverted_contrast_needs_the_contrast_test(one_sensor, truth):
    reference, moving = one_sensor
    assert epe(gefolki.estimate(reference, -moving, FolkiSettings(levels=3)), truth) < 0.1
    assert epe(gefolki.estimate(reference, -moving, FolkiSettings(levels=3, contrast=False)), truth) > 5
