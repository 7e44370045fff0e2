import time

import numpy as np

from components.evaluation.cost import SIDE_PX, measure, repeated
from components.tasks.seam import Sample
from tests.evaluation import toy


class Slow(toy.Threshold):
    """Takes a tenth of a second and holds 80 MB while it predicts."""

    def predict(self, scenes):
        held = np.ones(10_000_000)
        time.sleep(0.1 * held[0])
        return super().predict(scenes)


def test_cost_is_of_one_megapixel_and_counts_what_the_method_holds():
    chip = toy.chip("here", 0)
    cost = measure(Slow(1.0, halo_px=None), Sample("here", "here", chip.inputs), tile_px=512)
    assert 0.09 < cost.seconds_per_megapixel < 60
    assert 80 <= cost.peak_memory_mb < 200


def test_memory_that_earlier_work_has_freed_is_counted_when_a_method_takes_it_again():
    first = np.ones(3_000_000)  # once freed, glibc takes blocks up to this size from its heap,
    del first
    blocks = [np.ones(2_900_000) for _ in range(8)]
    end = np.ones(10_000)
    del blocks  # and keeps these 186 MB, because something lies behind them
    chip = toy.chip("here", 0)
    assert measure(Slow(1.0, halo_px=None), Sample("here", "here", chip.inputs), tile_px=512).peak_memory_mb >= 80
    assert end.all()


def test_a_megapixel_repeats_the_pixels_of_the_scene():
    scene = toy.chip("here", 0).inputs["image"]
    large = repeated(scene, SIDE_PX)
    assert large.grid.shape == (SIDE_PX, SIDE_PX)
    np.testing.assert_array_equal(large.array[:, 24:48, 48:72], scene.array)
