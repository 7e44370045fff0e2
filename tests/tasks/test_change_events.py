from dataclasses import replace

import numpy as np
import pytest

from components.raster.scene import Scene
from components.tasks.change.events import events_of
from components.tasks.change.reactiv_dating import APPEARED, DARK, DISAPPEARED, LONG, SHORT, WHEN_BANDS
from components.tasks.chips import Chip, Prepared, pack
from tests.scenes import make_grid
from tests.tasks.series import START


def said(codes, *, grid=None, day=24.0):
    """What dating says where ``codes`` are not 0: from ``day`` to day 60, onset 6 days before, known to 9 days."""
    codes = np.asarray(codes, np.float32)
    numbers = np.stack([codes, *(np.full_like(codes, n) for n in (day, 60, day - 6, 9, SHORT))])
    grid = grid or make_grid(codes.shape)
    when = Scene(np.where(codes > 0, numbers, np.nan), grid, WHEN_BANDS, "1", float("nan"))
    return when, Scene(np.full((1, *codes.shape), 0.9, np.float32), grid, ("probability",), "probability", float("nan"))


def blocks():
    codes = np.zeros((30, 40))
    codes[2:6, 2:7] = APPEARED
    codes[2:6, 7:9] = DISAPPEARED  # touches the first
    codes[20:22, 30:33] = DARK
    codes[10, 10] = APPEARED
    return codes


def test_each_patch_of_one_kind_is_an_event_and_single_pixels_are_none():
    found = events_of(*said(blocks()), START)
    assert sorted(found.table["kind"].tolist()) == ["disappeared", "new", "temporary"]
    areas = dict(zip(found.table["kind"].tolist(), found.table["area_m2"].tolist(), strict=True))
    assert areas == {"new": 2000.0, "disappeared": 800.0, "temporary": 600.0}
    assert [each.area for each in found.geometries] == found.table["area_m2"].tolist()


def test_an_event_says_its_days_its_error_and_its_certainty():
    row = {name: column[0] for name, column in events_of(*said(blocks()), START).table.items()}
    assert str(row["first_date"]) == "2022-01-27"
    assert str(row["last_date"]) == "2022-03-04"
    assert str(row["onset"]) == "2022-01-21"
    assert row["onset_error_days"] == 9
    assert row["certainty"] == pytest.approx(0.9)
    assert bool(row["brighter"])


def test_an_event_lasts_as_most_of_its_pixels_do():
    when, sure = said(blocks())
    when.array[5, 2:6, 2:5] = LONG
    table = events_of(when, sure, START).table
    lasts = dict(zip(table["kind"].tolist(), table["duration"].tolist(), strict=True))
    assert lasts == {"new": "long", "disappeared": "short", "temporary": "short"}


def test_nothing_changed_is_no_event_with_every_column():
    found = events_of(*said(np.zeros((8, 9))), START)
    assert found.geometries == ()
    assert set(found.table) == set(events_of(*said(blocks()), START).table)


def test_without_a_crs_nobody_knows_an_area():
    assert np.isnan(events_of(*said(blocks(), grid=make_grid((30, 40), None)), START).table["area_m2"]).all()


def test_texts_and_dates_of_features_survive_a_chip(tmp_path):
    when, probability = said(blocks())
    events = events_of(when, probability, START)
    pack(iter([Chip("a", "a", "a", when.grid.window, {"when": when}, {"events": events})]), tmp_path)
    found = Prepared(tmp_path).chip("a").targets["events"]
    for name, column in events.table.items():
        assert found.table[name].dtype == column.dtype
        assert np.array_equal(found.table[name], column)
    assert replace(found, table={}) == replace(events, table={})
