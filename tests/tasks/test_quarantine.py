from dataclasses import replace

import pandas as pd
import pytest

from components.errors import BadParams
from components.raster.grid import Window
from components.tasks.chips import Chip
from components.tasks.quarantine import (
    COLUMNS,
    FILE,
    LeftOut,
    Suspicion,
    overlaps,
    quarantine_of,
    read_quarantine,
    require_known_scenes,
    write_quarantine,
)

BAD = Suspicion("scene-a", "aube", Window(0, 64, 64, 64), "label-is-shapes", "single pixels differ", 0.8, "leave-out")
ODD = replace(BAD, window=Window(64, 0, 64, 64), action="review", score=0.3)


def chip(window, source="scene-a"):
    return Chip("c", "aube", source, window, {})


def test_a_quarantine_is_read_as_it_was_written_worst_first(tmp_path):
    write_quarantine([ODD, BAD], tmp_path / FILE)
    assert quarantine_of(tmp_path) == (BAD, ODD)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    write_quarantine([ODD, BAD], tmp_path / "one")
    write_quarantine([BAD, ODD], tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_quarantine_keeps_its_columns(tmp_path):
    write_quarantine([], tmp_path / FILE)
    assert list(pd.read_parquet(tmp_path / FILE)) == list(COLUMNS)
    assert read_quarantine(tmp_path / FILE) == ()


def test_a_dataset_without_the_file_has_no_quarantine(tmp_path):
    assert quarantine_of(tmp_path) is None


def test_windows_that_only_touch_do_not_overlap():
    assert overlaps(Window(0, 0, 10, 10), Window(9, 9, 10, 10))
    assert not overlaps(Window(0, 0, 10, 10), Window(10, 0, 10, 10))
    assert not overlaps(Window(0, 0, 10, 10), Window(0, 10, 10, 10))


def test_only_chips_of_the_scene_that_share_pixels_are_left_out():
    left_out = LeftOut([BAD, replace(BAD, rule="image-sees-the-label")])
    assert left_out(chip(Window(0, 0, 128, 128))) == "image-sees-the-label, label-is-shapes"
    assert left_out(chip(Window(0, 0, 64, 64))) == ""
    assert left_out(chip(Window(0, 64, 64, 64), "scene-b")) == ""


def test_what_is_only_to_be_reviewed_is_not_left_out():
    assert LeftOut([ODD])(chip(ODD.window)) == ""


def test_a_scene_that_does_not_exist_is_refused_with_the_remedy():
    require_known_scenes([BAD], {"scene-a"}, FILE)
    with pytest.raises(BadParams, match=r"names scene 'scene-a', which the dataset does not hold.*swath qa"):
        require_known_scenes([BAD], {"scene-b"}, FILE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action": "burn"}, "action 'burn' of scene-a is none of leave-out, review"),
        ({"score": 1.5}, r"score 1\.5 of scene-a is not in 0\.\.1"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, change, said):
    write_quarantine([replace(BAD, **change)], tmp_path / FILE)
    with pytest.raises(BadParams, match=said):
        read_quarantine(tmp_path / FILE)


def test_a_file_that_is_no_quarantine_is_refused(tmp_path):
    pd.DataFrame({"scene": ["a"]}).to_parquet(tmp_path / FILE)
    with pytest.raises(BadParams, match="no column place"):
        read_quarantine(tmp_path / FILE)
    (tmp_path / FILE).write_text("scene")
    with pytest.raises(BadParams, match="--keep"):
        read_quarantine(tmp_path / FILE)
