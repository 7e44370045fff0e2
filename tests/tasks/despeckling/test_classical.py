"""Filters as methods: units, looks, nodata and tiles."""

from datetime import datetime

import numpy as np
import pytest

from components.errors import BadParams, BandMismatch, NotEnoughData, UnitMismatch
from components.inference.tiled import predict
from components.raster.radiometry import in_unit
from components.raster.scene import Scene, Stack
from components.simulation.speckle import Speckle, speckled
from components.tasks.despeckling import local
from components.tasks.despeckling.classical import FILTERS, Filter, SceneFilter, classical
from components.tasks.despeckling.matching import Search
from components.tasks.despeckling.options import MethodOptions, method_options
from components.tasks.despeckling.sar_bm3d import sar_bm3d
from components.tasks.despeckling.scenes import FILTERED, NOISY, RATIO, SERIES
from components.tasks.params import RunParams
from tests.scenes import JUNE, MARCH, make_grid

NAMES = sorted(FILTERS)


def noisy_scene(shape=(72, 96), looks=4.4, seed=0):
    smooth = np.where(np.indices(shape).sum(0) // 24 % 2, 0.2, 0.05)
    array = np.stack([speckled(smooth, Speckle(looks), seed), speckled(smooth / 5, Speckle(looks), seed + 100)])
    array[:, :3] = np.nan
    array[1, 40:44, 50:60] = np.nan
    return Scene(array, make_grid(shape), ("VV", "VH"), "intensity", float("nan"), MARCH)


def options(name="lee", looks=4.4, **changed):
    return MethodOptions(name=name, looks=looks, **changed)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_answers_intensity_and_a_dimensionless_ratio_with_the_holes_of_each_band(name):
    scene = noisy_scene()
    said = classical(name, options(name)).predict({NOISY: scene})
    assert {key: each.unit for key, each in said.items()} == {FILTERED: "intensity", RATIO: "1"}
    for each in said.values():
        assert each.grid.same_as(scene.grid)
        assert (each.bands, each.acquired, each.array.dtype) == (("VV", "VH"), MARCH, np.float32)
        assert np.array_equal(np.isnan(each.array), np.isnan(scene.array))
    assert said[RATIO].array * said[FILTERED].array == pytest.approx(scene.array, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("unit", ["db", "amplitude"])
def test_the_answer_does_not_depend_on_the_unit_of_the_input(unit):
    scene = noisy_scene()
    plain = classical("lee", options()).predict({NOISY: scene})[FILTERED].array
    other = classical("lee", options(unit=unit)).predict({NOISY: in_unit(scene, unit)})[FILTERED].array
    assert other == pytest.approx(plain, rel=1e-3, nan_ok=True)


def test_decibels_that_claim_to_be_intensity_are_refused_by_their_unit():
    with pytest.raises(UnitMismatch, match="expected unit intensity, found db"):
        classical("boxcar", options("boxcar")).predict({NOISY: in_unit(noisy_scene(), "db")})


def test_a_missing_scene_or_band_is_named():
    with pytest.raises(BandMismatch, match="noisy"):
        classical("lee", options()).predict({})
    with pytest.raises(BandMismatch, match="HH"):
        classical("lee", options(bands=("HH",))).predict({NOISY: noisy_scene()})


@pytest.mark.parametrize("name", ["boxcar", "lee", "enhanced-lee", "refined-lee", "unfiltered"])
def test_tiles_answer_exactly_as_the_whole_scene(name):
    method, scenes = classical(name, options(name)), {NOISY: noisy_scene()}
    whole, tiled = method.predict(scenes), predict(method, scenes, tile_px=32)
    assert np.allclose(whole[FILTERED].array, tiled[FILTERED].array, rtol=1e-5, equal_nan=True)


def test_tiles_of_block_matching_answer_as_the_whole_scene_given_its_halo():
    small = Search(4, 8, stride_px=2), Search(4, 8)
    halo = sum(each.reach_px for each in small)
    scene = noisy_scene((80, 208))
    modest = Filter(lambda intensity, looks: sar_bm3d(intensity, looks, *small), halo)
    method = SceneFilter(options("sar-bm3d"), modest)
    whole, tiled = method.predict({NOISY: scene}), predict(method, {NOISY: scene}, tile_px=48)
    assert halo < 80
    assert np.allclose(whole[FILTERED].array, tiled[FILTERED].array, rtol=1e-3, equal_nan=True)


def test_every_second_pixel_is_filtered_with_its_like_in_tiles_as_in_the_whole():
    scene, method = noisy_scene(), classical("lee", options(spacing_px=2))
    whole, tiled = method.predict({NOISY: scene})[FILTERED], predict(method, {NOISY: scene}, tile_px=32)[FILTERED]
    assert method.halo_px == 6
    assert np.allclose(whole.array, tiled.array, rtol=1e-5, equal_nan=True)
    second = local.lee(scene.array[0, 1::2, ::2], 4.4)
    assert np.array_equal(whole.array[0, 1::2, ::2], second, equal_nan=True)


def test_unknown_looks_are_taken_from_the_whole_scene_and_only_then_a_survey_is_needed():
    scene = noisy_scene((200, 200))
    known, unknown = classical("lee", options()), classical("lee", options(looks=None))
    assert (known.needs_survey, unknown.needs_survey) == (False, True)
    assert not classical("boxcar", options("boxcar", looks=None)).needs_survey
    surveyed = unknown.survey({NOISY: scene})
    assert surveyed.looks == pytest.approx(4.4, rel=0.1)
    one, other = (each.predict({NOISY: scene})[FILTERED].array for each in (surveyed, unknown))
    assert np.array_equal(one, other, equal_nan=True)
    with pytest.raises(NotEnoughData, match="looks; give method"):
        unknown.survey({NOISY: noisy_scene((8, 8))})


def test_a_scene_without_any_pixel_is_answered_without_any():
    scene = noisy_scene()
    empty = scene.with_array(np.full_like(scene.array, np.nan))
    for name in NAMES:
        assert not classical(name, options(name, looks=None)).predict({NOISY: empty})[FILTERED].valid.any(), name


def series(count=16, unit="intensity"):
    grid, dates = make_grid((40, 40)), tuple(datetime(2024, 1, 1 + day, tzinfo=MARCH.tzinfo) for day in range(count))
    array = np.stack([speckled(np.full((40, 40), 0.1), Speckle(1), seed)[None] for seed in range(count)])
    return in_unit(Stack(array, grid, ("VV",), "intensity", dates), unit)


@pytest.mark.parametrize("unit", ["intensity", "db"])
def test_the_temporal_multilook_has_as_many_looks_as_dates_whatever_the_unit(unit):
    method = classical("temporal-multilook", options("temporal-multilook", bands=("VV",), unit=unit))
    said = predict(method, {SERIES: series(unit=unit)}, tile_px=16)[FILTERED].array
    assert said.mean() == pytest.approx(0.1, rel=0.03)
    assert said.mean() ** 2 / said.var() == pytest.approx(16, rel=0.15)


def test_a_gap_on_one_date_is_bridged_by_the_others_but_the_last_date_keeps_its_own():
    stack = series(4)
    stack.array[1, 0, 5], stack.array[3, 0, 7] = np.nan, np.nan
    said = classical("temporal-multilook", options("temporal-multilook", bands=("VV",))).predict({SERIES: stack})
    assert np.isfinite(said[FILTERED].array[0, 5]).all()
    assert np.isnan(said[FILTERED].array[0, 7]).all()
    assert said[FILTERED].acquired == stack.dates[-1]
    assert stack.dates[-1] != JUNE


def test_a_stack_of_another_unit_or_without_dates_is_refused():
    method = classical("temporal-multilook", options("temporal-multilook", bands=("VV",)))
    with pytest.raises(UnitMismatch, match="series: expected unit intensity, found db"):
        method.predict({SERIES: series(2, "db")})
    with pytest.raises(NotEnoughData, match="no date"):
        method.predict({SERIES: Stack(np.ones((0, 1, 4, 4)), make_grid((4, 4)), ("VV",), "intensity", ())})


def test_options_of_a_run_are_typed_and_name_what_is_wrong():
    split = {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]}
    given = {"task": "despeckling", "dataset": "tiny", "description": "-", "split": split}
    run = RunParams.model_validate({**given, "method": {"name": "sar-bm3d", "looks": 4.4, "bands": ["VV"]}})
    assert method_options(run).canonical_bands == ("VV",)
    with pytest.raises(BadParams, match="looks"):
        method_options(RunParams.model_validate({**given, "method": {"name": "lee", "looks": 0}}))


def test_halos_say_how_far_each_filter_sees():
    assert [FILTERS[name].halo_px for name in ("unfiltered", "boxcar", "lee", "enhanced-lee", "refined-lee")] == [
        0, 3, 3, 3, local.REFINED_LEE_HALO_PX,
    ]  # fmt: skip
    assert FILTERS["sar-bm3d"].halo_px == 2 * 2 * (19 + 7)
    assert FILTERS["bm3d"].halo_px == FILTERS["sar-bm3d"].halo_px + 1
