import numpy as np
import pytest

from components.errors import BadScene, UnitMismatch
from components.raster.stack_units import radar_unit, require_plausible


def linear(mean=0.1, looks=4.4):
    return np.random.default_rng(0).gamma(looks, mean / looks, 4000).astype(np.float32)


@pytest.mark.parametrize(("mean", "unit"), [(0.1, "intensity"), (5000.0, "intensity"), (50.0, "intensity")])
def test_linear_numbers_of_any_calibration_pass_as_linear(mean, unit):
    require_plausible(linear(mean), unit, "here")
    require_plausible(np.sqrt(linear(mean)), "amplitude", "here")


def test_decibels_pass_as_decibels():
    require_plausible(10 * np.log10(linear()), "db", "here")
    require_plausible(10 * np.log10(linear(1e5)), "db", "here")


def test_a_few_negative_pixels_after_noise_subtraction_pass():
    require_plausible(linear(0.002) - 0.0002, "intensity", "here")


@pytest.mark.parametrize("mean", [0.1, 1e5])
def test_decibels_declared_as_linear_are_refused(mean):
    with pytest.raises(BadScene, match=r"here: declared as intensity.*looks like decibels; declare the unit `db`"):
        require_plausible(10 * np.log10(linear(mean)), "intensity", "here")


@pytest.mark.parametrize("mean", [0.1, 1e5])
def test_linear_numbers_declared_as_decibels_are_refused(mean):
    with pytest.raises(BadScene, match=r"here: declared as db.*looks linear"):
        require_plausible(linear(mean), "db", "here")


def test_pixels_without_data_say_nothing():
    require_plausible(np.full(50, np.nan, np.float32), "intensity", "here")


def test_only_units_of_radar_images_may_be_declared():
    with pytest.raises(UnitMismatch, match="expected unit amplitude or intensity or db, found reflectance"):
        radar_unit("reflectance", "digital_number", "here")
    assert radar_unit(None, "db", "here") == "db"
    assert radar_unit("amplitude", "digital_number", "here") == "amplitude"
