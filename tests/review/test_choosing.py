from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import BadParams, NotEnoughData
from components.raster.cog import write_scene
from components.raster.dataset import read_sources
from components.raster.grid import Window
from components.raster.io import read_scene
from components.review.choosing import Candidate, Look, all_chips, at_random, entropy, most_informative, quarantined
from components.review.model import look_at
from tests.review.projects import make_dataset

GRID = [Candidate("a", "p", Window(row, 0, 8, 8)) for row in range(0, 80, 8)]


def quarantine(path: Path, *rows: tuple) -> Path:
    """Rows of scene, row, col, edge, rule, score."""
    names = ("scene", "row", "col", "rows", "rule", "score")
    table = pd.DataFrame(rows, columns=names)
    table = table.assign(cols=table["rows"], place="p", reason="because", action="review")
    table.to_parquet(path)
    return path


def test_the_worst_suspects_come_first_with_all_their_reasons(tmp_path):
    path = quarantine(
        tmp_path / "q.parquet",
        ("a", 0, 0, 64, "shift", 0.3),
        ("b", 0, 0, 64, "noise", 0.9),
        ("a", 0, 0, 64, "flip", 0.8),
    )
    first, second = quarantined(path, 5, 64)
    assert (first.scene, second.scene) == ("b", "a")
    assert second.reason == "flip: because; shift: because"
    assert second.score == 0.8


def test_windows_that_overlap_a_worse_one_are_left_out(tmp_path):
    path = quarantine(tmp_path / "q.parquet", ("a", 0, 0, 64, "x", 0.3), ("a", 32, 32, 64, "x", 0.9))
    assert [each.window for each in quarantined(path, 5, 64)] == [Window(32, 32, 64, 64)]


def test_a_whole_scene_is_cut_into_chips_that_do_not_overlap(tmp_path):
    path = quarantine(tmp_path / "q.parquet", ("a", 0, 0, 100, "x", 0.5))
    seen = np.zeros((100, 100), int)
    for each in quarantined(path, 99, 48):
        seen[each.window.slices] += 1
    assert (seen == 1).all()


def test_an_action_keeps_its_rows_only(tmp_path):
    path = quarantine(tmp_path / "q.parquet", ("a", 0, 0, 64, "x", 0.5))
    assert quarantined(path, 5, 64, "leave-out") == ()


def test_a_quarantine_without_its_columns_or_with_odd_scores_is_refused(tmp_path):
    pd.DataFrame({"scene": ["a"]}).to_parquet(tmp_path / "few.parquet")
    with pytest.raises(BadParams, match="place, row"):
        quarantined(tmp_path / "few.parquet", 5, 64)
    with pytest.raises(BadParams, match=r"scores in 0\.\.1"):
        quarantined(quarantine(tmp_path / "odd.parquet", ("a", 0, 0, 64, "x", 7.0)), 5, 64)
    with pytest.raises(BadParams, match="swath qa"):
        quarantined(tmp_path / "none.parquet", 5, 64)


def test_random_chips_follow_from_the_seed_and_never_repeat():
    drawn = at_random(GRID, 6, seed=3)
    assert drawn == at_random(GRID, 6, seed=3)
    assert drawn != at_random(GRID, 6, seed=4)
    assert len({each.id for each in drawn}) == 6


def test_the_most_uncertain_chip_is_first_and_its_twin_not_second():
    # 0 and 1 are twins, both very uncertain; 2 is unlike them and rather uncertain; the others are sure
    unsure = [1.0, 0.99, 0.6, *[0.01] * 7]
    features = [[0.0], [0.0], [5.0], *[[float(n)] for n in range(7)]]
    looks = {each.id: Look(u, np.array(f)) for each, u, f in zip(GRID, unsure, features, strict=True)}
    chosen = most_informative(GRID, lambda each: looks[each.id], 2, seed=0)
    assert [each.window.row // 8 for each in chosen] == [0, 2]
    assert chosen[0].score == 1.0


def test_informative_chips_never_repeat_even_where_all_are_alike():
    chosen = most_informative(GRID, lambda _: Look(0.5, np.zeros(3)), 10, seed=1)
    assert len({each.id for each in chosen}) == 10


def test_entropy_is_one_where_nothing_is_known_and_zero_where_all_is():
    assert entropy(np.array([[0.5, 0.0, 1.0]])).tolist() == [[1.0, 0.0, 0.0]]
    assert entropy(np.full((4, 1, 1), 0.25)).item() == pytest.approx(1)
    assert np.isnan(entropy(np.array([[np.nan]]))).all()


def test_a_model_is_unsure_where_its_probability_is_near_a_half(tmp_path):
    sources = {each.id: each for each in read_sources(make_dataset(tmp_path / "raw"))}
    for source in sources.values():
        before = read_scene(source.files["before"])
        probability = np.zeros((1, 64, 64), np.float32)
        if source.id == "b":
            probability[0, 32:, 32:] = 0.5
        scene = before.with_array(probability, bands=("p",), unit="probability")
        write_scene(scene, tmp_path / "maps" / f"{source.id}.tif")
    candidates = all_chips(tuple(sources.values()), "mask", 32)
    (chosen,) = most_informative(candidates, look_at(tmp_path / "maps", sources, ("before", "after")), 1, seed=0)
    assert chosen.id == "b@32,32"


def test_a_dataset_without_the_label_has_no_chips(tmp_path):
    with pytest.raises(NotEnoughData, match="'cover'"):
        all_chips(read_sources(make_dataset(tmp_path / "raw")), "cover", 32)
