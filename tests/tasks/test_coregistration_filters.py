"""Ranks, box means and pyramid levels: what they are invariant to, and that holes and borders have no say."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from components.tasks.coregistration.filters import box, equalised, expanded, ranks, reduced

ALL = np.ones((40, 50), dtype=bool)


def image(seed=0, shape=(40, 50)):
    return gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1).astype(np.float32)


def test_ranks_count_brighter_and_darker_neighbours():
    tiny = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    found = ranks(tiny, np.ones((3, 3), bool), 1)
    assert found.brighter == pytest.approx(np.array([[3 / 3, 4 / 5, 2 / 3], [3 / 5, 4 / 8, 2 / 5], [1 / 3, 1 / 5, 0]]))
    assert found.darker == pytest.approx(1 - found.brighter)


@pytest.mark.parametrize("mapping", [np.exp, lambda grey: 5 * grey - 3, lambda grey: grey**3])
def test_ranks_do_not_change_under_an_increasing_mapping(mapping):
    before, after = ranks(image(), ALL, 4), ranks(mapping(image()), ALL, 4)
    assert np.array_equal(before.brighter, after.brighter)


def test_ranks_of_the_negative_are_those_of_the_darker_neighbours():
    found, negative = ranks(image(), ALL, 4), ranks(-image(), ALL, 4)
    assert np.array_equal(negative.brighter, found.darker)
    assert np.array_equal(negative.darker, found.brighter)


def test_pixels_in_a_hole_take_no_part_in_ranks():
    known = ALL.copy()
    known[10:20, 10:20] = False
    first, second = image(), image()
    second[~known] = 1e6
    assert np.array_equal(ranks(first, known, 4).brighter[known], ranks(second, known, 4).brighter[known])


def test_ranks_of_an_image_smaller_than_their_window_are_finite():
    assert np.isfinite(ranks(image(shape=(3, 50)), np.ones((3, 50), bool), 7).brighter).all()


def test_ratios_of_box_means_are_not_pulled_towards_zero_at_the_border():
    weight = box(np.ones((40, 50), np.float32), 5)
    assert box(np.full((40, 50), 3.0, np.float32), 5) / weight == pytest.approx(np.full((40, 50), 3.0), rel=1e-5)


def test_local_contrast_of_the_negative_is_one_minus_that_of_the_image():
    assert equalised(-image(), ALL, 6) == pytest.approx(1 - equalised(image(), ALL, 6), abs=1e-5)
    flat = equalised(np.full((40, 50), 0.7, np.float32), ALL, 6)
    assert flat == pytest.approx(np.full((40, 50), 0.5), abs=1e-3)


def test_a_level_of_the_pyramid_keeps_a_ramp_where_it_was():
    ramp = np.indices((40, 50))[1].astype(np.float32)
    level, known = reduced(ramp, ALL)
    assert level.shape == (20, 25)
    assert level[5:-5, 5:-5] == pytest.approx(ramp[::2, ::2][5:-5, 5:-5], abs=1e-4)  # pixel i is pixel 2 i
    assert known.all()


def test_a_hole_keeps_its_values_to_itself_on_the_next_level():
    known = ALL.copy()
    known[10:20, 10:20] = False
    first = np.full((40, 50), 2.0, np.float32)
    level, left = reduced(np.where(known, first, 1e6).astype(np.float32), known)
    assert level[left] == pytest.approx(np.full(left.sum(), 2.0))
    assert not left[6:9, 6:9].any()


@pytest.mark.parametrize("shape", [(40, 50), (39, 49)])
def test_a_flow_of_one_level_is_twice_as_long_and_in_place_on_the_next(shape):
    rows, cols = np.indices(shape, dtype=np.float32)
    fine = np.stack([0.1 * cols, -0.2 * rows])
    coarse = fine[:, ::2, ::2] / 2
    assert expanded(coarse, shape)[:, :-1, :-1] == pytest.approx(fine[:, :-1, :-1], abs=1e-4)
