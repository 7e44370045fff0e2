import io

import numpy as np
import pytest
from PIL import Image

from components.errors import LeakageFound
from components.raster.grid import Window
from components.tasks.chips import Chip, pack
from components.tasks.copies import copies
from components.tasks.leakage import require_no_copies, roles_of
from components.tasks.params import CrossValidation, PlaceSplit
from tests.scenes import UTM31, make_grid, make_scene

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


SPLIT = PlaceSplit(train=("p0", "p1", "left"), val=("p2",), test=("p3", "right"))


def packed(tmp_path, chips):
    return pack(iter([*(chip(f"p{n}", ground(n), away(n)) for n in range(4)), *chips]), tmp_path)


def found(tmp_path, chips):
    """Names of the chips that show the same, and how much."""
    prepared = packed(tmp_path, chips)
    names = list(prepared.index["chip"])
    every = copies(prepared, roles_of(prepared.index, SPLIT.folds()))
    return [(names[each.left], names[each.right], each.alike) for each in every]


def recoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)


def pair(one, other, left=None, right=None):
    return [chip("left", one, left or away(8)), chip("right", other, right or away(9))]


def test_different_pictures_are_no_copies(tmp_path):
    assert found(tmp_path, pair(ground(8), ground(9))) == []


@pytest.mark.parametrize(
    ("copy", "is_same"),
    [
        (GROUND[:, 12:108, 12:108], True),
        (recoded(GROUND[:, 12:108, 12:108]), False),
        (GROUND[:, 20:116, 12:108], False),
        (GROUND[:, 4:100, 20:116], False),
        (recoded(GROUND[:, 20:116, 4:100]), False),
        (GROUND[:, 12:108, 12:108] // 2 + 20, False),
    ],
    ids=["copied", "re-encoded", "shifted 8 px", "shifted 8 px aslant", "shifted and re-encoded", "another scale"],
)
def test_a_test_tile_in_train_is_found_and_the_pair_is_named(tmp_path, copy, is_same):
    ((left, right, alike),) = found(tmp_path, pair(GROUND[:, 12:108, 12:108], copy))
    assert (left, right) == ("left-chip", "right-chip")
    assert (alike == 1) == is_same
    assert alike > 0.8


@pytest.mark.parametrize("crs", [UTM31, None], ids=["utm", "pixel grid"])
def test_copies_are_found_with_and_without_a_place(tmp_path, crs):
    every = found(tmp_path, pair(ground(8), ground(8), left=away(8, crs), right=away(9, crs)))
    assert every == [("left-chip", "right-chip", 1.0)]


def test_ground_without_structure_and_one_bright_scatterer_are_no_copies(tmp_path):
    blank = np.full_like(ground(8), 7)
    assert found(tmp_path / "blank", pair(blank, blank)) == []
    one, other = ground(8) // 64, ground(9) // 64
    one[:, 40:43, 50:53] = other[:, 20:23, 30:33] = 255
    assert found(tmp_path / "bright", pair(one, other)) == []


def test_cross_validation_compares_all_groups(tmp_path):
    chips = [chip(f"p{n}", ground(n % 3), away(n)) for n in range(4)]  # p3 is a copy of p0
    prepared = pack(iter(chips), tmp_path)
    apart = CrossValidation(groups=(("p0",), ("p1",), ("p2", "p3")))
    assert [each[:2] for each in copies(prepared, roles_of(prepared.index, apart.folds()))] == [(0, 3)]
    together = CrossValidation(groups=(("p0", "p3"), ("p1",), ("p2",)))
    assert copies(prepared, roles_of(prepared.index, together.folds())) == []


@pytest.mark.parametrize(
    ("copy", "shown"), [(ground(8), "the same pixels"), (recoded(ground(8)), r"the same picture \(correlation 0\.9")]
)
def test_copies_are_refused_with_names(tmp_path, copy, shown):
    with pytest.raises(LeakageFound, match=rf"left-chip \(place left\) and right-chip \(place right\) show {shown}"):
        require_no_copies(packed(tmp_path / "copied", pair(ground(8), copy)), SPLIT.folds())
    require_no_copies(packed(tmp_path / "apart", pair(ground(8), ground(9))), SPLIT.folds())
