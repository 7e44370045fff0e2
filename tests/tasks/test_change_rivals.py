from dataclasses import replace

import numpy as np
import pytest

from components.errors import NotEnoughData, UnitMismatch
from components.raster.grid import Window
from components.tasks.change.log_ratio import LogRatio, kittler_illingworth
from components.tasks.change.omnibus import Omnibus, omnibus, stability
from tests.scenes import JUNE, speckled
from tests.tasks.series import speckle_stack

RULES = ("otsu", "kittler-illingworth", "kittler-illingworth-half-normal")
CHANGED = Window(20, 16, 24, 24)


def pair(unit="intensity", factor=12.0, hole=None):
    before, after = speckled(4.4, seed=1), speckled(4.4, seed=2)
    after.array[(0, *CHANGED.slices)] *= factor
    if hole is not None:
        before.array[(0, *hole.slices)] = np.nan
    scenes = {"before": before, "after": replace(after, acquired=JUNE)}
    if unit == "db":
        return {name: each.with_array(10 * np.log10(each.array), unit="db") for name, each in scenes.items()}
    return scenes


def found_by(rule, scenes, unit="intensity", window_px=5):
    return LogRatio(("VV",), unit, rule, window_px).predict(scenes)["change"].array[0]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("factor", [12.0, 1 / 12])
def test_a_planted_change_is_found_whether_it_brightens_or_darkens(rule, factor):
    inside = np.zeros((64, 64), bool)
    inside[CHANGED.slices] = True
    changed = found_by(rule, pair(factor=factor)) == 1
    assert changed[inside].mean() > 0.75
    assert changed[~inside].mean() < 0.08


def test_decibels_and_intensity_give_one_answer():
    assert np.array_equal(found_by("otsu", pair()), found_by("otsu", pair("db"), "db"))


def test_what_one_date_does_not_show_is_nodata_and_leaves_its_neighbours_alone():
    hole = Window(0, 0, 10, 10)
    with_hole, whole = found_by("otsu", pair(hole=hole)), found_by("otsu", pair())
    assert (with_hole[hole.slices] == 255).all()
    assert (with_hole[10:, 10:] != 255).all()
    assert (with_hole[20:, 20:] == whole[20:, 20:]).mean() > 0.98


def test_log_ratio_answers_alike_in_tiles_and_as_a_whole():
    scenes = pair()
    method = LogRatio(("VV",), "intensity", window_px=5).survey(scenes)
    part = {name: scene.crop(Window(10, 10, 40, 40)) for name, scene in scenes.items()}
    inner = np.s_[2:-2, 2:-2]
    tile = method.predict(part)["change"].array[0]
    assert method.halo_px == 2
    assert np.array_equal(tile[inner], method.predict(scenes)["change"].array[0][10:50, 10:50][inner])


def test_a_pair_without_any_pixel_is_nodata():
    assert (found_by("otsu", pair(hole=Window(0, 0, 64, 64))) == 255).all()


def test_reflectance_has_no_log_ratio():
    scenes = {name: replace(each, unit="reflectance") for name, each in pair().items()}
    with pytest.raises(UnitMismatch, match="reflectance"):
        found_by("otsu", scenes, "reflectance")


def test_kittler_and_illingworth_split_two_normal_distributions_where_their_densities_cross():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(2, 0.4, 50_000), rng.normal(5, 1.0, 50_000)]).astype(np.float32)
    assert kittler_illingworth(values) == pytest.approx(3.05, abs=0.15)
    assert kittler_illingworth(np.ones(100, np.float32)) >= 1


def test_a_half_normal_lower_class_is_kept_together():
    rng = np.random.default_rng(0)
    lengths = np.abs(np.concatenate([rng.normal(0, 0.3, 95_000), rng.normal(3, 0.5, 5_000)])).astype(np.float32)
    assert 1.0 < kittler_illingworth(lengths, half=True) < 2.0
    assert kittler_illingworth(lengths) < kittler_illingworth(lengths, half=True)


@pytest.mark.parametrize("looks", [1.0, 4.4, 10.0])
@pytest.mark.parametrize("bands", [("VV",), ("VV", "VH")])
@pytest.mark.parametrize("dates", [5, 60])
def test_the_omnibus_test_keeps_its_rate_of_false_alarms(looks, bands, dates):
    stack = speckle_stack(dates, (150, 300), bands=bands, looks=looks, seed=dates)
    found = omnibus(stack, (looks,) * len(bands))
    assert (found.p_value < 0.05).mean() == pytest.approx(0.05, rel=0.1)
    assert (found.p_value < 0.01).mean() == pytest.approx(0.01, rel=0.15)


def test_stability_alone_is_that_of_the_whole_test_with_gaps_and_several_bands():
    stack = speckle_stack(12, (70, 9))
    stack.array[3:9, 0, :20] = np.nan
    stack.array[:, :, 5, 5] = np.nan
    stack.array[6:, :, 30:40] *= 3
    np.testing.assert_allclose(stability(stack, (4.4, 4.4)), omnibus(stack, (4.4, 4.4)).p_value, rtol=1e-4, atol=1e-7)


def test_the_omnibus_test_knows_how_many_dates_a_pixel_has():
    stack = speckle_stack(30, (150, 150), looks=2.0)
    stack.array[np.random.default_rng(0).random(stack.array.shape) < 0.4] = np.nan
    p_value = omnibus(stack, (2.0, 2.0)).p_value
    assert (p_value < 0.05).mean() == pytest.approx(0.05, rel=0.12)


def test_the_omnibus_test_names_the_first_date_that_differs():
    stack = speckle_stack(30)
    stack.array[12:] *= 6
    found = omnibus(stack, (4.4, 4.4), 0.001)
    assert (found.p_value < 1e-6).all()
    assert (found.first == 12).mean() > 0.9
    assert (omnibus(speckle_stack(30), (4.4, 4.4), 0.001).first == -1).mean() > 0.99


def test_the_omnibus_test_sees_the_change_of_one_polarisation_only():
    stack = speckle_stack(30)
    stack.array[12:, 1] *= 8
    changed = Omnibus(("VV", "VH"), (4.4, 4.4)).predict({"series": stack})["change"].array[0]
    assert (changed == 1).mean() > 0.99
    assert (Omnibus(("VV",), (4.4,)).predict({"series": stack})["change"].array == 1).mean() < 0.02


def test_omnibus_needs_two_dates_at_a_pixel_and_in_the_series():
    stack = speckle_stack(6)
    stack.array[1:, :, :5] = np.nan
    out = Omnibus(("VV", "VH"), (4.4, 4.4)).predict({"series": stack})
    assert (out["change"].array[0, :5] == 255).all()
    assert (out["change"].array[0, 5:] != 255).all()
    with pytest.raises(NotEnoughData, match="at least 2 dates, found 1"):
        Omnibus(("VV", "VH"), (4.4, 4.4)).predict({"series": speckle_stack(1)})
