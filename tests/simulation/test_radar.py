import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.simulation.backscatter import Weather, backscatter
from components.simulation.dataset import read_simulation, simulate
from components.simulation.landcover import BROAD_CLASSES, FOREST, Cover, among, broad
from components.simulation.orientation import cross_alignment, long_axes, parallel, street_axes
from components.simulation.phenology import Season
from components.simulation.radar import Look, displacement, radar
from components.simulation.radar_optical import radar_optical
from components.simulation.speckle import Speckle, speckle
from components.simulation.terrain import slope
from components.simulation.territory import PIXEL_SIZE_M, territory

SHAPE = (160, 160)
SUMMER = Season(180, 2021)
SOURCES = Path(__file__).parents[2] / "data" / "sources"
CLEAN = Look(looks=1e6, blur_px=0.0)


@cache
def land(seed):
    return territory(seed, SHAPE)


def decibels(values):
    return 10 * np.log10(values.mean())


def digest(seed):
    pair = radar_optical(seed, (96, 96))
    scenes = (pair.reference, pair.moving, pair.height, pair.cover)
    return hashlib.sha256(b"".join(scene.array.tobytes() for scene in scenes)).hexdigest()


def test_a_seed_gives_the_same_bytes_and_another_seed_others():
    assert digest(101) == digest(101) != digest(102)


def test_both_views_lie_on_one_grid_and_say_what_they_are():
    pair = radar_optical(103, (96, 128))
    assert pair.reference.bands == ("VV", "VH")
    assert (pair.reference.unit, pair.moving.unit, pair.height.unit) == ("intensity", "reflectance", "m")
    assert pair.reference.grid.same_as(pair.moving.grid)
    assert pair.reference.grid.same_as(pair.height.grid)
    assert {scene.array.dtype for scene in (pair.reference, pair.moving, pair.height)} == {np.dtype(np.float32)}
    assert pair.reference.valid.all()
    assert pair.reference.array.min() > 0
    assert pair.reference.acquired != pair.moving.acquired


@pytest.mark.parametrize("looks", [1.0, 4.4, 30.0])
@pytest.mark.parametrize("blur_px", [0.0, 0.8])
def test_speckle_has_mean_1_and_the_variance_of_its_looks(looks, blur_px):
    noise = speckle(np.random.default_rng(1), (600, 600), Speckle(looks, blur_px, wraps=False))
    assert noise.mean() == pytest.approx(1, abs=0.015)
    assert noise.var() == pytest.approx(1 / looks, rel=0.05)


def test_blurred_speckle_is_correlated_as_in_a_ground_range_product():
    noise = speckle(np.random.default_rng(2), (400, 400), Speckle(4.4, 0.8, wraps=False))
    beside = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert 0.5 < beside < 0.8
    white = speckle(np.random.default_rng(2), (400, 400), Speckle(4.4))
    assert abs(np.corrcoef(white[1:].ravel(), white[:-1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("seed", [101, 102, 104])
def test_water_is_dark_houses_are_bright_and_forest_depolarises(seed):
    ground = backscatter(land(seed), SUMMER, Weather(wind=-0.5), Look().azimuth)
    cover = land(seed).cover
    forest, fields = among(cover, FOREST), cover == Cover.FIELD
    for band in ground:
        assert decibels(band[cover == Cover.RIVER]) < decibels(band[forest]) - 6
        assert decibels(band[cover == Cover.BUILDING]) > decibels(band[fields]) + 3
        assert decibels(band[cover == Cover.ROAD]) < decibels(band[forest]) - 3
    vv, vh = ground
    assert decibels(vv[fields]) - decibels(vh[fields]) > decibels(vv[forest]) - decibels(vh[forest]) - 0.5


def test_fields_differ_from_each_other_and_from_season_to_season():
    spring, autumn = (backscatter(land(101), Season(day, 2021), Weather(), 1.0)[0] for day in (120, 280))
    fields = land(101).cover == Cover.FIELD
    number = land(101).parcels.number[fields]
    levels = 10 * np.log10(spring[fields])
    sizes = np.bincount(number)
    means = np.bincount(number, levels)[sizes > 30] / sizes[sizes > 30]
    assert means.std() > 1.0
    assert np.abs(10 * np.log10(autumn[fields]) - levels).mean() > 1.0


def test_wet_soil_and_wind_brighten():
    dry, wet = (backscatter(land(101), Season(20, 2021), Weather(moisture=m, wind=m), 1.0)[0] for m in (-1, 1))
    for cover in (Cover.FIELD, Cover.RIVER):
        where = land(101).cover == cover
        assert decibels(wet[where]) > decibels(dry[where]) + 0.5


@pytest.mark.parametrize("orbit", ["ascending", "descending"])
def test_slopes_towards_the_radar_are_brighter(orbit):
    look = Look(orbit=orbit, looks=1e6, blur_px=0.0)
    seen = radar(land(104), SUMMER, Weather(), look)[0]
    _, east = slope(land(104).terrain.height_m, PIXEL_SIZE_M)
    forest = among(land(104).cover, FOREST)
    towards = east if orbit == "ascending" else -east  # ascending looks east: ground that rises to the east faces it
    low, high = np.quantile(towards[forest], [0.15, 0.85])
    assert decibels(seen[forest & (towards > high)]) > decibels(seen[forest & (towards < low)]) + 0.8


def test_averaging_dates_divides_the_speckle():
    many, few = (radar(land(101), SUMMER, Weather(), Look(looks=4.4, dates=dates, blur_px=0.0)) for dates in (16, 1))
    clean = radar(land(101), SUMMER, Weather(), CLEAN)
    assert (few / clean).var() == pytest.approx(1 / 4.4, rel=0.1)
    assert (many / clean).var() == pytest.approx(1 / 4.4 / 16, rel=0.1)


def test_high_ground_is_displaced_towards_the_radar_and_only_where_asked_for():
    height = np.zeros((8, 8), np.float32)
    height[4, 4] = 100.0
    down, right = displacement(height, Look(orbit="ascending", layover=1.0))[:, 4, 4]
    assert right == pytest.approx(-(100 - 100 / 64) / np.tan(np.radians(38)) / 10 * np.sin(np.radians(78)), rel=1e-3)
    assert abs(down) < abs(right)
    assert not displacement(height, Look(layover=0.0)).any()
    flat = radar(land(101), SUMMER, Weather(), CLEAN)
    assert not np.allclose(radar(land(101), SUMMER, Weather(), Look(looks=1e6, blur_px=0.0, layover=1.0)), flat)


def test_axes_are_read_off_the_rasters():
    number = np.zeros((64, 64), np.int32)
    number[10:14, 5:60] = 1  # runs east
    number[20:60, 30:33] = 2  # runs south
    axes = long_axes(number, 3)
    assert axes[1] == pytest.approx(np.pi / 2, abs=0.02)
    assert min(axes[2], np.pi - axes[2]) == pytest.approx(0, abs=0.02)
    diagonal = np.abs(np.subtract.outer(np.arange(64), np.arange(64))) < 2  # runs to the south-east
    assert street_axes(diagonal)[32, 32] == pytest.approx(3 * np.pi / 4, abs=0.05)


def test_houses_shine_along_and_across_the_look_and_rows_only_one_way():
    axes = np.array([0.0, np.pi / 2, np.pi / 4], np.float32)
    assert cross_alignment(axes, 0.0, width=0.2) == pytest.approx([1, 1, 0], abs=1e-3)
    assert parallel(axes, np.pi, width=0.2) == pytest.approx([1, 0, 0], abs=1e-3)


def test_the_dataset_holds_reference_moving_height_and_cover(tmp_path):
    places = [{"name": "terra-r-01", "seed": 101}, {"name": "terra-r-02", "seed": 102}]
    declared = {"view": "radar-optical", "shape": [64, 96], "places": places}
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"name": "tiny", "simulation": declared}))
    raw = simulate(tmp_path)
    source = read_sources(raw)[1]
    pair = radar_optical(102, (64, 96))
    assert set(source.files) == {"reference", "moving", "height", "cover"}
    np.testing.assert_array_equal(read_scene(source.files["reference"]).array, pair.reference.array)
    np.testing.assert_allclose(read_scene(source.files["moving"]).array, pair.moving.array, atol=0.51e-4)
    cover = read_scene(source.files["cover"])
    np.testing.assert_array_equal(cover.array, pair.cover.array)
    assert (cover.unit, cover.classes) == ("class", BROAD_CLASSES)
    assert source.properties["sat:orbit_state"] == pair.look.orbit


def test_broad_classes_are_all_there_and_water_is_the_darkest_of_them_to_the_radar():
    pair = radar_optical(101, (192, 192))
    names = {each.code: each.name for each in pair.cover.classes}
    means = {names[code]: decibels(pair.reference.array[1, pair.cover.array[0] == code]) for code in names}
    assert min(means, key=means.get) == "water"
    assert max(means, key=means.get) in ("built-up", "forest")


def test_every_cover_has_its_broad_class():
    every = np.arange(len(Cover), dtype=np.uint8)[None]
    found = dict(zip(Cover, broad(every)[0], strict=True))
    assert set(found.values()) == {each.code for each in BROAD_CLASSES}
    assert {cover.name for cover in Cover if found[cover] == 4} == {"RIVER", "LAKE"}
    assert {cover.name for cover in Cover if found[cover] == 0} == {"HEATH", "CLEARCUT"}


def test_places_of_the_radar_sandbox_are_not_those_of_the_optical_one():
    optical, seen = (read_simulation(SOURCES / f"sandbox-{name}") for name in ("optical", "radar"))
    assert len(seen.places) == 30
    assert seen.shape == (384, 384)
    assert not {place.seed for place in seen.places} & {place.seed for place in optical.places}
