import numpy as np

from components.annotation.spatial_folds import Footprint, SpatialFolds, spatial_folds
from tests.scenes import make_grid


def footprint(number, east_m):
    return Footprint(f"scene-{number}", f"place-{number}", make_grid((64, 64), corner=(500000.0 + east_m, 5000000.0)))


def test_every_place_is_judged_by_one_fold_that_never_learns_from_it():
    folds = spatial_folds([footprint(number, 5000 * number) for number in range(6)], 3, 32, 8)
    assert sorted(folds.by_scene.values()) == [0, 0, 1, 1, 2, 2]
    for scene, fold in folds.by_scene.items():
        assert not folds.learnable(scene, (64, 64), fold).any()
        assert folds.learnable(scene, (64, 64), (fold + 1) % 3).all()


def test_places_that_touch_or_nearly_touch_share_a_fold():
    near = [footprint(0, 0), footprint(1, 700), *(footprint(number, 9000 * number) for number in range(2, 5))]
    folds = spatial_folds(near, 4, 32, guard_px=16)  # 60 m between the first two, guard 160 m
    assert folds.by_scene["scene-0"] == folds.by_scene["scene-1"]
    apart = spatial_folds(near, 5, 32, guard_px=2)
    assert apart.by_scene["scene-0"] != apart.by_scene["scene-1"]


def test_few_places_are_judged_by_blocks_with_a_guard():
    folds = spatial_folds([footprint(0, 0)], 4, 16, 5)
    judged = folds.judged("scene-0", (64, 64))
    assert set(np.unique(judged)) == {0, 1, 2, 3}
    for fold in range(4):
        rows, cols = np.nonzero(judged == fold)
        learnt = np.argwhere(folds.learnable("scene-0", (64, 64), fold))
        apart = [np.hypot(*(learnt - at).T).min() for at in np.column_stack([rows, cols])[::7]]
        assert min(apart) > 5


def test_two_folds_of_blocks_are_a_chessboard():
    judged = SpatialFolds(2, 0, 8).judged("any", (16, 16))
    assert judged[::8, ::8].tolist() == [[0, 1], [1, 0]]
