from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from components.errors import BandMismatch, NotEnoughData, UnitMismatch
from components.simulation.radar_series import FIELD, FLOOD, radar_series
from components.simulation.speckle import Speckle
from components.tasks.change.omnibus import Omnibus
from components.tasks.change.reactiv import Reactiv, detect, estimated_looks
from components.tasks.change.reactiv_composite import Caps, Look, composite
from components.tasks.change.seasons import Season
from components.tasks.change.series import moments
from tests.tasks.series import speckle_stack

LOOKS = (4.4, 4.4)


def test_moments_are_those_of_numpy_on_amplitude():
    stack = speckle_stack(20)
    amplitude = np.sqrt(stack.array.astype(np.float64))
    found = moments(stack)
    assert np.allclose(found.mean, amplitude.mean(axis=0), rtol=1e-5)
    assert np.allclose(found.cv, amplitude.std(axis=0) / amplitude.mean(axis=0), rtol=1e-4)
    assert np.array_equal(found.peak_date, amplitude.argmax(axis=0))
    assert np.allclose(found.peak, amplitude.max(axis=0))
    assert (found.count == 20).all()


def test_the_brightest_date_is_the_first_of_equals_and_one_that_is_seen():
    stack = speckle_stack(9, (4, 5))
    stack.array[:, 0, 1, 2] = [np.nan, 2, 7, np.nan, 3, 7, -1, 0, np.inf]  # the last three are no measurements
    found, seen = moments(stack), np.sqrt([2, 7, 3, 7])
    assert (found.peak_date[0, 1, 2], found.count[0, 1, 2]) == (2, len(seen))
    numbers = [each[0, 1, 2] for each in (found.peak, found.mean, found.deviation)]
    assert numbers == pytest.approx([np.sqrt(7), seen.mean(), seen.std()], rel=1e-6)


def test_moments_of_float32_lose_nothing_where_a_large_mean_hides_a_small_deviation():
    stack = speckle_stack(100, (4, 4), bands=("VV",), looks=40_000.0)
    grown = replace(stack, array=stack.array * np.float32(1e8))
    exact = np.sqrt(grown.array.astype(np.float64))
    assert np.allclose(moments(grown).cv, exact.std(axis=0) / exact.mean(axis=0), rtol=5e-3)


@pytest.mark.parametrize("unit", ["amplitude", "db"])
def test_the_answer_does_not_depend_on_the_unit_that_the_series_is_kept_in(unit):
    one, other = speckle_stack(16), speckle_stack(16, unit=unit)
    assert np.allclose(moments(one).cv, moments(other).cv, rtol=1e-4)


def test_reflectance_is_no_radar_series():
    with pytest.raises(UnitMismatch, match="found reflectance"):
        moments(replace(speckle_stack(6), unit="reflectance"))


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_stable_ground_raises_the_wanted_rate_of_alarms(rate):
    found = detect(speckle_stack(16, (300, 300)), LOOKS, rate)
    assert found.changed.mean() == pytest.approx(rate, rel=0.1)
    assert (found.false_alarms < rate).mean() == pytest.approx(rate, rel=0.1)
    assert found.valid.all()


def test_a_pixel_with_few_dates_is_held_to_the_threshold_of_few_dates():
    stack = speckle_stack(60, (200, 200), bands=("VV",))
    hidden = np.random.default_rng(1).random((60, 200)) < 0.8
    stack.array[:, 0, :, :][np.broadcast_to(hidden[:, :, None], (60, 200, 200))] = np.nan
    found = detect(stack, (4.4,), 0.05)
    assert set(np.unique(found.moments.count)) >= {8, 12, 16}
    assert found.changed[found.valid].mean() == pytest.approx(0.05, rel=0.15)
    few = found.moments.count[0] < 5
    assert not found.changed[few].any()
    assert np.isnan(found.score[few]).all()
    assert not found.valid[few].any()


def test_a_band_without_any_pixel_leaves_the_decision_to_the_other():
    stack = speckle_stack(16, (200, 200))
    stack.array[:, 1] = np.nan
    found = detect(stack, LOOKS, 0.05)
    assert found.valid.all()
    assert (found.channel == 0).all()
    assert found.changed.mean() == pytest.approx(0.05, rel=0.1)


def test_a_series_without_any_pixel_is_nodata_everywhere():
    stack = speckle_stack(10)
    stack.array[:] = np.nan
    out = Reactiv(("VV", "VH"), LOOKS).predict({"series": stack})
    assert (out["change"].array == 255).all()
    assert np.isnan(out["probability"].array).all()
    assert np.isnan(out["when"].array).all()
    assert (out["composite"].array == 0).all()
    with pytest.raises(NotEnoughData, match="looks cannot be estimated"):
        estimated_looks(moments(stack))


def test_too_few_dates_are_named():
    with pytest.raises(NotEnoughData, match="at least 5 dates, found 4"):
        detect(speckle_stack(4), LOOKS, 0.05)


def test_a_missing_band_or_series_is_named():
    with pytest.raises(BandMismatch, match="HH"):
        Reactiv(("HH",), (4.4,)).predict({"series": speckle_stack(6)})
    with pytest.raises(BandMismatch, match="series"):
        Reactiv(("VV",), (4.4,)).predict({})


def test_the_score_comes_from_the_polarisation_that_varies_most():
    stack = speckle_stack(30)
    stack.array[15:, 1, :10] *= 20
    stack.array[15:, 0, 20:30] *= 20
    found = detect(stack, LOOKS, 0.01)
    assert (found.channel[:10] == 1).all()
    assert (found.channel[20:30] == 0).all()
    assert found.changed[:10].all()
    assert found.changed[20:30].all()


def test_tiles_answer_like_the_whole_once_surveyed():
    stack = speckle_stack(12)
    method = Reactiv(("VV", "VH")).survey({"series": stack})
    whole = method.predict({"series": stack})
    window = next(iter(stack.grid.tiles(20)))
    part = method.predict({"series": stack.crop(window)})
    for name in ("change", "probability", "when", "composite"):
        scene = part[name]
        assert np.array_equal(scene.array, whole[name].crop(window).array, equal_nan=True)


def test_the_hue_is_the_day_of_the_maximum_and_not_its_number():
    stack = speckle_stack(6, (2, 3), bands=("VV",), looks=1e6)
    late = tuple(date + timedelta(days=200 if index >= 3 else 0) for index, date in enumerate(stack.dates))
    for col, date in enumerate((0, 2, 5)):
        stack.array[date, 0, :, col] = 40
    found = moments(stack)
    full = np.full((2, 3), 99, np.float32)
    one = np.zeros((2, 3), np.intp)
    picture = composite(found, full, one, late, Caps((float(np.sqrt(40)),)), Look())
    assert picture[:, 0, 0].tolist() == [255, 1, 1]  # the first date is red
    red, green, blue = picture[:, 0, 1].tolist()  # 24 of 260 days at 0.9 of the circle: half way to yellow
    assert (red, blue) == (255, 1)
    assert green == pytest.approx(1 + 254 * 6 * 0.9 * 24 / 260, abs=1)
    red, green, blue = picture[:, 0, 2].tolist()  # the last date is magenta, not red again
    assert (red, green) == (255, 1)
    assert blue > 100


def test_stable_pixels_are_grey_and_dark_ones_dark():
    stack = speckle_stack(6, (1, 2), bands=("VV",))
    stack.array[:, :, :, 1] *= 0.01
    found = moments(stack)
    cap = Caps((float(found.peak[0, 0, 0]),))
    picture = composite(found, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.intp), stack.dates, cap, Look())
    assert picture[:, 0, 0].tolist() == [255, 255, 255]
    assert picture[0, 0, 1] == picture[1, 0, 1] == picture[2, 0, 1] < 40


def test_looks_are_estimated_where_many_pixels_change():
    series = radar_series(5, (128, 128), dates=40, seen=Speckle(4.9))
    looks = estimated_looks(moments(series.stack))
    assert looks == pytest.approx((4.9, 4.9), rel=0.1)


@pytest.fixture(scope="module")
def made():
    return radar_series(2, (160, 160), dates=60, seen=Speckle(4.4, 0.6))


def test_sites_and_boats_are_found_at_one_percent_and_a_short_flood_hardly(made):
    """Two dark dates among sixty move the variation of amplitude little; the omnibus test sees them."""
    out = Reactiv(("VV", "VH"), LOOKS, 0.01).predict({"series": made.stack})
    changed, kind = out["change"].array[0] == 1, made.kind.array[0]
    found = {each.name: changed[kind == each.code].mean() for each in made.kind.classes}
    assert found["stable"] < 0.013
    assert found["construction"] > 0.98
    assert found["boat"] > 0.98
    assert 0.1 < found["flood"] < 0.5
    rival = Omnibus(("VV", "VH"), LOOKS, 0.01).predict({"series": made.stack})["change"].array[0] == 1
    assert rival[kind == FLOOD].mean() > found["flood"] + 0.2
    assert found["field"] > 0.8  # the well-known false alarm


def test_fields_are_left_out_by_season_or_by_length(made):
    fields = made.kind.array[0] == FIELD
    sites = made.kind.array[0] == 1
    whole = Reactiv(("VV", "VH"), LOOKS, 0.01)
    flagged = whole.predict({"series": made.stack})["change"].array[0] == 1
    by_season = replace(whole, season=Season()).predict({"series": made.stack})
    by_length = replace(whole, least_days=240.0).predict({"series": made.stack})
    for out, left in ((by_season, 0.2), (by_length, 0.5)):
        changed = out["change"].array[0] == 1
        assert changed[fields].mean() < left
        assert changed[sites].mean() > 0.97
        assert (out["probability"].array[0][flagged & ~changed] == 0).all()
