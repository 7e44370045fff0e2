import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from components.simulation.sensor import Optics, moved, observe
from components.simulation.spectra import BANDS
from components.simulation.sunlight import lit, sun


def clear(**changes):
    count = len(BANDS)
    values = {
        "shift_px": (0.0, 0.0),
        "haze": 0.0,
        "gain": np.ones(count, np.float32),
        "offset": np.zeros(count, np.float32),
        "noise": 0.0,
        "blurred": False,
    }
    return Optics(**{**values, **changes})


def point():
    picture = np.zeros((21, 21), np.float32)
    picture[10, 10] = 1
    return picture


def flat(value):
    return np.full((len(BANDS), 200, 200), value, np.float32)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.7), (-1.0, 0.25)])
def test_a_point_moves_by_the_shift_and_keeps_its_light(shift):
    seen = moved(point(), 0.45, shift)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    assert np.subtract(center_of_mass(seen), 10) == pytest.approx(shift, abs=0.015)


def test_the_20_m_bands_are_softer_than_the_10_m_bands():
    pixels = np.repeat(point()[None], len(BANDS), axis=0)
    seen = observe(pixels, clear(blurred=True), np.random.default_rng(0))
    assert seen[BANDS.index("B11"), 10, 10] < 0.5 * seen[BANDS.index("B02"), 10, 10]


def test_a_clear_sky_and_a_perfect_sensor_show_the_ground():
    pixels = np.random.default_rng(1).uniform(0.01, 0.6, (len(BANDS), 16, 16)).astype(np.float32)
    assert np.array_equal(observe(pixels, clear(), np.random.default_rng(0)), pixels)


def test_haze_brightens_dark_blue_and_spares_the_infrared():
    seen = observe(flat(0.03), clear(haze=0.05), np.random.default_rng(0)) - np.float32(0.03)
    assert seen[0].mean() > 0.01
    assert abs(seen[BANDS.index("B12")].mean()) < 0.002


def test_noise_has_the_deviation_it_says():
    seen = observe(flat(0.2), clear(noise=0.006), np.random.default_rng(0))
    assert seen.std(axis=(1, 2)) == pytest.approx(0.006, rel=0.03)


def test_the_midsummer_sun_stands_in_the_south_east_at_the_overpass():
    elevation, azimuth = np.degrees(sun(172, np.radians(45)))
    assert elevation == pytest.approx(65.1, abs=0.5)
    assert 140 < azimuth < 150


def test_slopes_towards_the_sun_are_brighter_than_flat_ground():
    zero, rise = np.zeros((2, 2), np.float32), np.full((2, 2), 0.3, np.float32)
    elevation, south = np.radians(45), np.pi
    assert lit((zero, zero), elevation, south) == pytest.approx(1)
    assert (lit((-rise, zero), elevation, south) > 1.1).all()  # falls to the south
    assert (lit((rise, zero), elevation, south) < 0.9).all()
