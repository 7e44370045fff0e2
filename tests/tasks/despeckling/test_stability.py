"""The change mask of training pairs."""

import numpy as np
import pytest

from components.simulation.speckle import Speckle, speckled
from components.tasks.despeckling.stability import stable


@pytest.mark.parametrize("looks", [1, 4.4])
def test_speckle_alone_is_stable_and_a_new_building_is_not(looks):
    before = np.full((128, 128), 0.05)
    after = before.copy()
    after[40:60, 40:60] *= 15
    mask = stable(speckled(before, Speckle(looks), 0), speckled(after, Speckle(looks), 1), looks)
    outside = np.ones(mask.shape, bool)
    outside[36:64, 36:64] = False
    assert mask[outside].mean() > 0.995
    assert mask[43:57, 43:57].mean() < 0.01


def test_correlated_speckle_needs_the_correlation_area():
    first, second = (speckled(np.ones((256, 256)), Speckle(1, oversampling=2), seed) for seed in (0, 1))
    assert stable(first, second, 1).mean() < stable(first, second, 1, correlation_area_px=4).mean() - 0.02
    assert stable(first, second, 1, correlation_area_px=4).mean() > 0.99


def test_nodata_of_either_date_is_not_stable_and_does_not_spread():
    first, second = speckled(np.ones((20, 20)), Speckle(4), 0), speckled(np.ones((20, 20)), Speckle(4), 1)
    first[5:8], second[:, 3] = np.nan, np.nan
    mask = stable(first, second, 4)
    assert not mask[5:8].any()
    assert not mask[:, 3].any()
    assert mask[12:, 8:].mean() > 0.98
    assert mask.sum() > 300
