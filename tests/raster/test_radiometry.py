"""Units of SAR pixels, constants of speckle, and the number of looks."""

from dataclasses import replace

import numpy as np
import pytest

from components.errors import BadScene, UnitMismatch
from components.raster.radiometry import (
    amplitude_mean,
    equivalent_looks,
    in_unit,
    log_mean,
    log_median,
    log_variance,
    mean_intensity,
    require_looks,
)
from components.raster.scene import Scene, Stack
from tests.scenes import JUNE, MARCH, make_grid

LOOKS = [1, 2, 4.4, 4.9, 10]


def sar(array, unit="intensity", nodata=float("nan")):
    array = np.asarray(array)
    return Scene(array, make_grid(array.shape[1:]), ("VV", "VH")[: len(array)], unit, nodata, MARCH)


def speckle(looks, shape=(256, 256), seed=0):
    return np.random.default_rng(seed).gamma(looks, 1 / looks, shape).astype(np.float32)


def test_amplitude_intensity_and_decibels_are_the_same_pixels():
    intensity = sar([[[1.0, 0.01, 4.0, np.nan]]])
    assert np.allclose(in_unit(intensity, "db").array, [[[0, -20, 6.0206, np.nan]]], equal_nan=True, atol=1e-4)
    assert np.allclose(in_unit(intensity, "amplitude").array, [[[1, 0.1, 2, np.nan]]], equal_nan=True)
    for unit in ("db", "amplitude"):
        other = in_unit(intensity, unit)
        assert other.unit == unit
        assert np.allclose(in_unit(other, "intensity").array, intensity.array, equal_nan=True)


def test_the_same_unit_is_the_scene_itself():
    scene = sar(np.ones((1, 2, 2)))
    assert in_unit(scene, "intensity") is scene


def test_a_nodata_value_is_nan_afterwards_and_was_never_converted():
    scene = sar(np.array([[[0, 100, -9999]]], np.int16), "intensity", nodata=0)
    out = in_unit(scene, "db")
    assert np.allclose(out.array, [[[np.nan, 20, np.nan]]], equal_nan=True)
    assert (out.array.dtype, np.isnan(out.nodata)) == (np.float32, True)
    assert in_unit(sar([[[-20.0, -9999.0]]], "db", nodata=-9999.0), "intensity").array[0, 0, 0] == pytest.approx(0.01)


def test_what_has_no_value_in_the_other_unit_becomes_nodata():
    scene = sar([[[0.0, -0.1, 0.25]]])
    assert np.allclose(in_unit(scene, "db").array, [[[np.nan, np.nan, -6.0206]]], equal_nan=True)
    assert np.allclose(in_unit(scene, "amplitude").array, [[[0, np.nan, 0.5]]], equal_nan=True)
    assert np.isnan(in_unit(sar([[[-1.0]]], "amplitude"), "intensity").array).all()


def test_units_that_are_not_of_radar_are_refused_in_both_directions():
    with pytest.raises(UnitMismatch, match="reflectance"):
        in_unit(sar(np.ones((1, 2, 2)), "reflectance"), "intensity")
    with pytest.raises(UnitMismatch, match="probability"):
        in_unit(sar(np.ones((1, 2, 2))), "probability")


def test_the_mean_over_dates_is_of_intensity_and_of_the_dates_that_saw_the_pixel():
    array = np.array([[[[1.0, np.nan, 2.0]]], [[[3.0, 5.0, np.nan]]]], np.float32)
    stack = Stack(array, make_grid((1, 3)), ("VV",), "intensity", (MARCH, JUNE))
    assert np.array_equal(mean_intensity(stack).array, [[[2, 5, 2]]])
    assert np.allclose(mean_intensity(stack, fewest=2).array, [[[2, np.nan, np.nan]]], equal_nan=True)
    assert mean_intensity(stack).acquired == JUNE


@pytest.mark.parametrize("unit", ["db", "amplitude"])
def test_decibels_and_amplitudes_are_never_averaged(unit):
    stack = Stack(np.ones((2, 1, 2, 2), np.float32), make_grid((2, 2)), ("VV",), unit, (MARCH, JUNE))
    with pytest.raises(UnitMismatch, match=f"expected unit intensity, found {unit}"):
        mean_intensity(stack)
    assert mean_intensity(in_unit(stack, "intensity")).unit == "intensity"


@pytest.mark.parametrize("looks", LOOKS)
def test_the_constants_of_speckle_are_those_of_a_simulation_within_one_per_cent(looks):
    noise = np.random.default_rng(5).gamma(looks, 1 / looks, 1_000_000)
    logs = np.log(noise)
    assert log_mean(looks) == pytest.approx(logs.mean(), rel=0.01)
    assert log_variance(looks) == pytest.approx(logs.var(), rel=0.01)
    assert np.exp(log_median(looks)) == pytest.approx(np.median(noise), rel=0.01)
    assert amplitude_mean(looks) == pytest.approx(np.sqrt(noise).mean(), rel=0.01)


def test_the_constants_of_speckle_are_the_published_ones():
    assert [log_mean(each) for each in (1, 4.4, 4.9)] == pytest.approx([-0.5772, -0.1179, -0.1055], abs=1e-4)
    assert [log_variance(each) for each in (1, 4.4, 4.9)] == pytest.approx([1.6449, 0.2550, 0.2263], abs=1e-4)
    assert [amplitude_mean(each) for each in (1, 4.9)] == pytest.approx([0.8862, 0.9749], abs=1e-4)
    assert log_median(1) == pytest.approx(np.log(np.log(2)))


@pytest.mark.parametrize("looks", [1, 4.4, 10, 60])
def test_looks_of_homogeneous_ground_are_found_within_seven_per_cent(looks):
    assert equivalent_looks(sar(speckle(looks)[None]))["VV"] == pytest.approx(looks, rel=0.07)


def test_texture_edges_and_holes_do_not_hide_the_looks():
    ground = np.ones((256, 256))
    ground[:, 100:150] = np.exp(np.random.default_rng(1).normal(0, 0.8, (256, 50)))  # a town
    ground[180:, :] = 8
    noisy = (ground * speckle(4.4)).astype(np.float32)
    noisy[::40, ::3] = np.nan
    noisy[60:80] = np.nan
    assert equivalent_looks(sar(noisy[None]))["VV"] == pytest.approx(4.4, rel=0.12)


def test_looks_do_not_depend_on_the_unit_and_each_band_has_its_own():
    scene = sar(np.stack([speckle(4.4), speckle(1, seed=1)]))
    plain = equivalent_looks(scene)
    assert equivalent_looks(in_unit(scene, "db")) == pytest.approx(plain, rel=1e-3)
    assert plain["VH"] == pytest.approx(1, rel=0.07)


def test_a_scene_too_small_or_empty_or_constant_has_no_looks():
    for array in (np.ones((1, 5, 5)), np.full((1, 64, 64), np.nan), np.ones((1, 64, 64))):
        assert equivalent_looks(sar(array)) == {"VV": None}


def test_metadata_that_contradict_the_pixels_are_refused():
    scene = sar(speckle(1)[None])
    assert require_looks(scene, 1)["VV"] == pytest.approx(1, rel=0.07)
    with pytest.raises(BadScene, match=r"band VV: the metadata declare 4\.4 looks, the pixels say 0.97"):
        require_looks(scene, 4.4)
    mistaken = replace(in_unit(sar(1e-2 * speckle(4.4)[None]), "amplitude"), unit="intensity")
    with pytest.raises(BadScene, match="check the unit"):
        require_looks(mistaken, 4.4)
