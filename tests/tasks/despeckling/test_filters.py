"""Every filter: flat stays flat, the mean stays the mean, the ratio is speckle, and holes stay holes."""

import numpy as np
import pytest

from components.simulation.speckle import Speckle, speckled
from components.tasks.despeckling import bm3d, local, sar_bm3d
from components.tasks.despeckling.classical import FILTERS
from components.tasks.despeckling.matching import Search

NAMES = ["boxcar", "lee", "enhanced-lee", "refined-lee", "bm3d", "sar-bm3d"]
REFLECTIVITY = 0.03


def filtered(name, noisy, looks):
    return FILTERS[name].apply(noisy, looks)


def chequered(side=96):
    """Fields of three brightnesses, a road and bright points: edges, a line and targets on flat ground."""
    rows, cols = np.indices((side, side))
    truth = np.where((rows // 32 + cols // 32) % 2, 0.2, 0.05).astype(np.float32)
    truth[np.abs(rows - cols) < 3] = 0.01
    truth[20::32, 16::32] = 4.0
    return truth


def psnr_db(truth, found):
    peak = np.percentile(np.sqrt(truth), 99)
    one, other = (np.minimum(np.sqrt(each), peak) for each in (truth, found))
    return 10 * np.log10(peak**2 / np.mean((one - other) ** 2))


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_comes_out_constant_and_unchanged_where_no_speckle_is_presumed(name):
    flat = np.full((40, 44), REFLECTIVITY, np.float32)
    out = filtered(name, flat, 4.4)
    assert out.std() < 1e-4 * REFLECTIVITY
    if name in (
        "boxcar",
        "lee",
        "enhanced-lee",
    ):  # the others undo a bias that only speckle has
        assert out == pytest.approx(REFLECTIVITY, rel=1e-5)


@pytest.mark.parametrize("looks", [1, 4.4])
@pytest.mark.parametrize("name", NAMES)
def test_homogeneous_speckle_keeps_its_mean_and_leaves_a_ratio_of_mean_one(name, looks):
    noisy = speckled(np.full((256, 256), REFLECTIVITY), Speckle(looks), seed=3)
    out = filtered(name, noisy, looks)
    ratio = noisy / out
    assert out.mean(dtype=float) == pytest.approx(noisy.mean(dtype=float), rel=0.01)
    assert ratio.mean(dtype=float) == pytest.approx(1, abs=0.02)
    assert out.mean() ** 2 / out.var() > 10 * looks


@pytest.mark.parametrize("name", NAMES)
def test_holes_stay_holes_and_what_lies_in_them_counts_nowhere(name):
    noisy = speckled(np.full((64, 72), REFLECTIVITY), Speckle(1), seed=0)
    noisy[20:31, 25:40] = np.nan
    noisy[:, :5] = np.nan
    out = filtered(name, noisy, 1)
    assert np.array_equal(np.isnan(out), np.isnan(noisy))
    around = out[15:36, 20:45]
    assert np.nanmean(around) == pytest.approx(REFLECTIVITY, rel=0.25)
    assert np.nanmin(out) > 0
    assert np.isnan(filtered(name, np.full((9, 9), np.nan, np.float32), 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_images_smaller_than_a_block_or_window_and_pixels_of_zero_are_filtered_too(name):
    for shape in ((1, 1), (3, 5), (9, 2)):
        noisy = speckled(np.ones(shape), Speckle(1), seed=1)
        noisy[0, 0] = 0
        assert np.isfinite(filtered(name, noisy, 1)).all(), shape


@pytest.mark.parametrize("name", NAMES)
def test_filters_do_not_depend_on_the_unit_of_brightness(name):
    noisy = speckled(chequered(48), Speckle(1), seed=2)
    assert filtered(name, 1000 * noisy, 1) == pytest.approx(1000 * filtered(name, noisy, 1), rel=2e-2)


def test_block_matching_that_knows_speckle_beats_lee_and_lee_beats_nothing():
    truth = chequered()
    noisy = [speckled(truth, Speckle(1), seed) for seed in range(3)]
    mean = {name: np.mean([psnr_db(truth, filtered(name, each, 1)) for each in noisy]) for name in ("lee", "sar-bm3d")}
    raw = np.mean([psnr_db(truth, each) for each in noisy])
    assert mean["lee"] > raw + 3
    assert mean["sar-bm3d"] > mean["lee"] + 1


@pytest.mark.parametrize(("name", "modest"), [("bm3d", bm3d.homomorphic_bm3d), ("sar-bm3d", sar_bm3d.sar_bm3d)])
def test_a_pixel_beyond_the_reach_of_block_matching_counts_nowhere(name, modest):
    small = Search(4, 8, stride_px=2), Search(4, 8)
    noisy = speckled(np.full((32, 96), REFLECTIVITY), Speckle(1), seed=5)
    other = noisy.copy()
    other[:, 80:] *= 3
    far = 80 - sum(search.reach_px for search in small) - 2
    assert far > 16
    assert np.array_equal(modest(noisy, 1, *small)[:, :far], modest(other, 1, *small)[:, :far])


def test_a_hard_edge_is_kept_by_the_refined_filter_and_blurred_by_the_boxcar():
    truth = np.where(np.arange(64) < 32, 0.02, 0.5) * np.ones((64, 1))
    noisy = speckled(truth, Speckle(4.4), seed=4)
    beside = np.s_[8:-8, 30:32]
    assert local.refined_lee(noisy, 4.4)[beside].mean() < 0.06 < local.boxcar(noisy)[beside].mean()


def test_a_point_target_passes_the_adaptive_filters_untouched():
    truth = np.full((31, 31), 0.05)
    truth[15, 15] = 50
    noisy = speckled(truth, Speckle(4.4), seed=6)
    assert local.enhanced_lee(noisy, 4.4)[15, 15] == noisy[15, 15]
    assert local.lee(noisy, 4.4)[15, 15] > 0.75 * noisy[15, 15]
