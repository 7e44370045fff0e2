import io

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from components.annotation.leakage import find_leaks, require_no_leaks
from components.errors import LeakageFound
from components.raster.grid import Grid, Window
from components.tasks.chips import Chip, pack
from components.tasks.params import CrossValidation, PlaceSplit
from tests.scenes import UTM31, WGS84, make_grid, make_scene

SHAPE = (96, 96)
GROUND = make_scene((120, 120), ("B04", "B03", "B02"), dtype="uint8", unit="digital_number", seed=50).array


def chip(place, pixels, grid, source=None):
    scene = make_scene(SHAPE, ("B04", "B03", "B02"), grid=grid, unit="digital_number", dtype="uint8")
    window = Window(0, 0, *SHAPE)
    return Chip(f"{place}-chip", place, source or place, window, {"before": scene.with_array(pixels)})


def ground(seed):
    return make_scene(SHAPE, ("B04", "B03", "B02"), dtype="uint8", unit="digital_number", seed=seed).array


def away(number, crs=UTM31):
    return make_grid(SHAPE, crs, corner=(300000.0 + 20000 * number, 5000000.0))


def leaks(tmp_path, chips, guard_m=0.0):
    others = [chip(f"p{n}", ground(n), away(n)) for n in range(4)]
    split = PlaceSplit(train=("p0", "p1", "left"), val=("p2",), test=("p3", "right"), guard_m=guard_m)
    return find_leaks(pack(iter([*others, *chips]), tmp_path), split)


def recoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)


def pair(one, other, left=None, right=None):
    return [chip("left", one, left or away(8)), chip("right", other, right or away(9))]


def test_places_apart_do_not_leak(tmp_path):
    assert leaks(tmp_path, pair(ground(8), ground(9)), guard_m=1000) == ()


@pytest.mark.parametrize(
    ("copy", "kind"),
    [
        (GROUND[:, 12:108, 12:108], "same pixels"),
        (recoded(GROUND[:, 12:108, 12:108]), "near copy"),
        (GROUND[:, 20:116, 12:108], "near copy"),
        (GROUND[:, 4:100, 20:116], "near copy"),
        (recoded(GROUND[:, 20:116, 4:100]), "near copy"),
    ],
    ids=["copied", "re-encoded", "shifted 8 px", "shifted 8 px aslant", "shifted and re-encoded"],
)
def test_a_test_tile_in_train_is_found_and_the_pair_is_named(tmp_path, copy, kind):
    found = leaks(tmp_path, pair(GROUND[:, 12:108, 12:108], copy))
    assert [(leak.kind, leak.left, leak.right) for leak in found] == [(kind, "left-chip", "right-chip")]
    assert found[0].measure > 0.8


@pytest.mark.parametrize("crs", [UTM31, None], ids=["utm", "pixel grid"])
def test_copies_are_found_with_and_without_a_place(tmp_path, crs):
    found = leaks(tmp_path, pair(ground(8), ground(8), left=away(8, crs), right=away(9, crs)))
    assert [leak.kind for leak in found] == ["same pixels"]


def test_shared_ground_is_measured(tmp_path):
    moved = make_grid(SHAPE, corner=(300000.0 + 160000 + 720, 5000000.0))  # 72 of 96 columns further
    found = leaks(tmp_path, pair(ground(8), ground(9), right=moved))
    assert [leak.kind for leak in found] == ["shared ground"]
    assert found[0].measure == pytest.approx(0.25)


def test_neighbours_that_touch_share_no_ground_but_break_a_guard(tmp_path):
    beside = make_grid(SHAPE, corner=(300000.0 + 160000 + 960, 5000000.0))
    chips = pair(ground(8), ground(9), right=beside)
    assert leaks(tmp_path / "without", chips) == ()
    found = leaks(tmp_path / "with", chips, guard_m=50)
    assert [(leak.kind, leak.measure) for leak in found] == [("inside guard band", 0)]


@pytest.mark.parametrize(("guard_m", "count"), [(99, 0), (101, 1)])
def test_the_guard_is_in_metres(tmp_path, guard_m, count):
    near = make_grid(SHAPE, corner=(300000.0 + 160000 + 960 + 100, 5000000.0))
    assert len(leaks(tmp_path, pair(ground(8), ground(9), right=near), guard_m)) == count


@pytest.mark.parametrize(("guard_m", "count"), [(760, 0), (790, 1)])
def test_the_guard_is_in_metres_in_degrees_too(tmp_path, guard_m, count):
    # 0.01 degrees of longitude at 46 degrees north are 774 m
    one, other = (Grid(WGS84, Affine(1e-4, 0, west, 0, -1e-4, 46.0), SHAPE) for west in (7.0, 7.0 + 0.0096 + 0.01))
    assert len(leaks(tmp_path, pair(ground(8), ground(9), left=one, right=other), guard_m)) == count


def test_ground_is_compared_across_crs(tmp_path):
    # the centre of the chip on UTM zone 31 (3 degrees east), once more in degrees
    here = make_grid(SHAPE, corner=(500000.0, 5000000.0))
    there = Grid(WGS84, Affine(1.3e-4, 0, 3.0, 0, -0.9e-4, 45.15360), SHAPE)
    found = leaks(tmp_path, pair(ground(8), ground(9), left=here, right=there))
    assert [leak.kind for leak in found] == ["shared ground"]


def test_the_same_numbers_in_another_zone_are_another_place(tmp_path):
    zone32 = make_grid(SHAPE, CRS.from_epsg(32632), corner=(460000.0, 5000000.0))
    here = make_grid(SHAPE, corner=(460000.0, 5000000.0))
    assert leaks(tmp_path, pair(ground(8), ground(9), left=here, right=zone32), guard_m=1000) == ()


def test_one_source_in_two_splits_is_named(tmp_path):
    chips = [chip("left", ground(8), away(8), "scene-1"), chip("right", ground(9), away(9), "scene-1")]
    assert [leak.kind for leak in leaks(tmp_path, chips)] == ["same source"]


def test_cross_validation_compares_all_groups(tmp_path):
    chips = [chip(f"p{n}", ground(n % 3), away(n)) for n in range(4)]  # p3 is a copy of p0
    prepared = pack(iter(chips), tmp_path)
    assert [leak.kind for leak in find_leaks(prepared, CrossValidation(groups=(("p0",), ("p1",), ("p2", "p3"))))] == [
        "same pixels"
    ]
    assert find_leaks(prepared, CrossValidation(groups=(("p0", "p3"), ("p1",), ("p2",)))) == ()


def test_leaks_are_refused_with_names(tmp_path):
    found = leaks(tmp_path, pair(ground(8), ground(8)))
    with pytest.raises(LeakageFound, match="left-chip and right-chip: same pixels"):
        require_no_leaks(found)
    require_no_leaks(())
