from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import label

from components.simulation.changes import BUILDING, BURNED, CLEARCUT, ROAD, changed
from components.simulation.landcover import BURNABLE, FOREST, Cover, among
from components.simulation.noise import fractal, stream
from components.simulation.phenology import Season
from components.simulation.spectra import SPECTRA, Material
from components.simulation.surface import abundances
from components.simulation.territory import territory

SHAPE = (192, 192)
SEEDS = range(40, 52)


@cache
def land(seed):
    return territory(seed, SHAPE)


@cache
def later(seed):
    return changed(land(seed))


def test_a_random_field_has_mean_0_and_deviation_1():
    field = fractal(stream(1, "field"), (90, 130), scale_px=20.0, slope=2.0)
    assert field.shape == (90, 130)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-5)


def test_a_smooth_field_does_not_wrap_around():
    field = fractal(stream(1, "field"), (128, 128), scale_px=60.0, slope=3.0)
    assert np.abs(field[0] - field[-1]).mean() > 10 * np.abs(field[0] - field[1]).mean()


def test_streams_of_different_names_differ():
    assert stream(1, "relief").random() != stream(1, "roads").random()


@pytest.mark.parametrize("seed", [40, 41, 42])
def test_every_landscape_has_all_that_a_landscape_has(seed):
    share = np.bincount(land(seed).cover.ravel(), minlength=len(Cover)) / land(seed).cover.size
    assert share[Cover.FIELD] > 0.25
    assert share[list(FOREST)].sum() > 0.1
    for cover in (Cover.RIVER, Cover.BUILDING, Cover.ROAD, Cover.GARDEN, Cover.HEATH):
        assert share[cover] > 0.002, cover
    assert share[Cover.CLEARCUT] == 0


@pytest.mark.parametrize("seed", [40, 41, 42])
def test_a_river_enters_and_leaves_and_lies_below_its_surroundings(seed):
    ground = land(seed).terrain
    pieces, _ = label(ground.river, structure=np.ones((3, 3)))
    edges = [set(edge[edge > 0]) for edge in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])]
    assert any(one & other for one, other in combinations(edges, 2))
    assert ground.height_m[ground.river].mean() < ground.height_m.mean()


@pytest.mark.parametrize("day", [20, 130, 200, 290])
def test_ground_shares_fill_each_pixel(day):
    shares = abundances(later(40).territory, Season(day, 2021), level_m=0.8)
    assert shares.min() >= -1e-6
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


def test_cereals_are_green_in_may_and_bare_or_straw_in_august():
    fields = land(40).cover == Cover.FIELD
    green = [abundances(land(40), Season(day, 2021))[Material.CROP][fields] for day in (135, 225)]
    assert ((green[0] > 0.8) & (green[1] < 0.2)).mean() > 0.2
    assert ((green[0] < 0.2) & (green[1] > 0.6)).mean() > 0.05  # maize, beet and sunflower go the other way


def test_green_leaves_have_a_red_edge_and_char_has_none():
    red, nir, swir = SPECTRA[:, 2], SPECTRA[:, 6], SPECTRA[:, 9]
    ndvi, burn_ratio = (nir - red) / (nir + red), (nir - swir) / (nir + swir)
    assert min(ndvi[[Material.CROP, Material.BROADLEAF, Material.CONIFER]]) > 0.7
    assert burn_ratio[Material.CHAR] < -0.3
    assert burn_ratio[Material.BROADLEAF] > 0.5


@pytest.mark.parametrize("seed", [40, 41, 42, 43])
def test_a_kind_stands_where_the_cover_differs_or_the_fire_was(seed):
    before, after, kinds = land(seed), later(seed).territory, later(seed).kinds
    assert np.array_equal(kinds > 0, (before.cover != after.cover) | (after.severity > 0))
    for kind, cover in ((BUILDING, Cover.BUILDING), (ROAD, Cover.ROAD), (CLEARCUT, Cover.CLEARCUT)):
        assert set(after.cover[kinds == kind]) <= {cover}
    assert np.array_equal(kinds == BURNED, after.severity > 0)


@pytest.mark.parametrize("seed", [40, 41, 42, 43])
def test_fire_takes_wild_plants_only_and_felling_forest_only(seed):
    before, kinds = land(seed).cover, later(seed).kinds
    assert among(before, BURNABLE)[kinds == BURNED].all()
    assert among(before, FOREST)[kinds == CLEARCUT].all()


def test_change_is_rare_and_every_kind_is_found_in_most_places():
    shares = np.array([np.bincount(later(seed).kinds.ravel(), minlength=5) / np.prod(SHAPE) for seed in SEEDS])
    assert 0.03 < 1 - shares[:, 0].mean() < 0.065
    assert ((shares > 0).mean(axis=0) > 0.8).all()


def test_change_leaves_the_territory_of_the_first_date_alone():
    fresh = territory(44, SHAPE)
    cover, severity = fresh.cover.copy(), fresh.severity.copy()
    changed(fresh)
    assert np.array_equal(fresh.cover, cover)
    assert np.array_equal(fresh.severity, severity)
