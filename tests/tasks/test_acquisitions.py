from dataclasses import replace
from datetime import timedelta

import pytest

from components.raster.grid import Window
from components.tasks.acquisitions import shared_passes, split_sources
from components.tasks.chips import Chip, pack
from components.tasks.params import PlaceSplit
from components.training.prepare import said_of_passes
from tests.scenes import JUNE, make_grid, make_scene

SHAPE = (32, 32)
SPLIT = PlaceSplit(train=("left",), val=(), test=("right",))


def chip(place, east_m, acquired):
    scene = make_scene(SHAPE, grid=make_grid(SHAPE, corner=(300000.0 + east_m, 5000000.0)), seed=int(east_m) % 97)
    seen = replace(scene, acquired=acquired)
    return Chip(f"{place}-chip", place, f"{place}-scene", Window(0, 0, *SHAPE), {"image": seen})


@pytest.mark.parametrize(
    ("east_m", "later", "found"),
    [(100_000, 0, 1), (100_000, 10, 1), (100_000, 30, 0), (500_000, 0, 0)],
    ids=["one scene", "ten minutes on", "another orbit", "beyond the swath"],
)
def test_places_of_one_pass_in_two_splits_are_named(tmp_path, east_m, later, found):
    chips = [chip("left", 0, JUNE), chip("right", east_m, JUNE + timedelta(minutes=later))]
    shared = shared_passes(pack(iter(chips), tmp_path).index, SPLIT.folds())
    assert [(each.left, each.right) for each in shared] == [("left-scene", "right-scene")] * found


def test_the_distance_is_told(tmp_path):
    prepared = pack(iter([chip("left", 0, JUNE), chip("right", 100_000, JUNE)]), tmp_path)
    (shared,) = shared_passes(prepared.index, SPLIT.folds())
    assert shared.distance_m == pytest.approx(100_000, rel=0.01)
    assert "left-scene and right-scene (100 km apart) in one pass" in said_of_passes([shared])


def test_a_scene_whose_chips_stand_in_two_splits_is_named(tmp_path):
    left, right = chip("left", 0, JUNE), chip("right", 100_000, JUNE)
    own = pack(iter([left, right]), tmp_path / "own")
    one = pack(iter([left, replace(right, source=left.source)]), tmp_path / "one")
    assert split_sources(own.index, SPLIT.folds()) == ()
    assert split_sources(one.index, SPLIT.folds()) == ("left-scene",)


def test_one_split_and_scenes_without_time_are_no_leak(tmp_path):
    together = PlaceSplit(train=("left", "right"), val=(), test=())
    dated = pack(iter([chip("left", 0, JUNE), chip("right", 1000, JUNE)]), tmp_path / "a")
    undated = pack(iter([chip("left", 0, None), chip("right", 1000, None)]), tmp_path / "b")
    assert shared_passes(dated.index, together.folds()) == ()
    assert shared_passes(undated.index, SPLIT.folds()) == ()
