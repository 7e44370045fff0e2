from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import label

from components.errors import BadParams
from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.simulation.change_series import CHANGES, FIELD, POINT, WATER, change_series
from components.simulation.confusers import Confusers
from components.simulation.dataset import read_simulation, simulate
from components.simulation.graded_changes import ChangeKind, _contrast
from components.simulation.speckle import Speckle

DECLARED = read_simulation(Path(__file__).parents[2] / "data/sources/sandbox-sar-change")
SEEN = Speckle(4.4, 0.5)
DATES = 24


def made(seed, shape=(160, 160), confusers=DECLARED.confusers):
    return change_series(seed, shape, DECLARED.changes, confusers, dates=DATES, seen=SEEN)


@pytest.fixture(scope="module")
def several():
    return [made(seed) for seed in (301, 302, 303)]


def patches(series):
    """Code, area, span and contrast of every event of a series."""
    kind = series.kind.array[0]
    for code in CHANGES.values():
        pieces, count = label(kind == code, np.ones((3, 3)))
        for number in range(1, count + 1):
            own = pieces == number
            assert len(np.unique(series.span.array[:, own], axis=1).T) == 1
            yield code, own.sum(), *series.span.array[:, own][:, 0], series.contrast.array[0][own][0]


def test_one_seed_gives_the_same_bytes_and_another_seed_others(several):
    again = made(301)
    assert again.stack.array.tobytes() == several[0].stack.array.tobytes()
    assert again.contrast.array.tobytes() == several[0].contrast.array.tobytes()
    assert not np.array_equal(several[0].kind.array, several[1].kind.array)


def test_reflectivity_differs_from_that_without_changes_exactly_from_first_to_last_date_and_by_the_contrast(several):
    for series in several:
        first, last = series.span.array
        date = np.arange(DATES)[:, None, None]
        during = (date >= first) & (date <= last) & (first >= 0)
        true_db = np.where(during[:, None], series.contrast.array, 0)
        moved_db = 10 * np.log10(series.reflectivity / series.unchanged)
        np.testing.assert_allclose(moved_db, true_db, atol=1e-4)
        assert (series.reflectivity[:, 0] != series.unchanged[:, 0])[during].all()
        assert np.array_equal(series.reflectivity[:, 0][~during], series.unchanged[:, 0][~during])


def test_what_varies_without_changing_has_no_span(several):
    for series in several:
        kind = series.kind.array[0]
        changed = np.isin(kind, list(CHANGES.values()))
        assert ((series.span.array[0] >= 0) == changed).all()
        decibels = 10 * np.log10(series.reflectivity[:, 0])
        for code in (FIELD, WATER, POINT):
            assert np.median(np.ptp(decibels[:, kind == code], axis=0)) > 1


def test_contrasts_are_graded_log_normally_within_their_limits_in_both_directions(several):
    kind = ChangeKind(
        count=(1, 1), ground="open", shape="turned", area_px=(2, 9), median_db=4, spread=0.4, brighter=0.7
    )
    rng = np.random.default_rng(0)
    drawn = np.array([_contrast(rng, kind) for _ in range(4000)])
    assert np.median(np.abs(drawn[:, 0])) == pytest.approx(4, rel=0.05)
    assert np.log(np.abs(drawn[:, 0])).std() == pytest.approx(0.4, rel=0.1)
    assert (drawn[:, 0] > 0).mean() == pytest.approx(0.7, abs=0.03)
    assert (np.sign(drawn[:, 0]) == np.sign(drawn[:, 1])).all()

    found = np.array([contrast for *_, contrast in (p for series in several for p in patches(series))])
    assert 1 <= np.abs(found).min() < 2.5
    assert 9 < np.abs(found).max() <= 12


def test_sizes_go_from_a_few_pixels_to_hundreds_and_each_kind_lasts_as_declared(several):
    every = [patch for series in several for patch in patches(series)]
    areas = np.array([area for _, area, *_ in every])
    assert areas.min() in (2, 3)
    assert areas.max() > 100
    names = {code: name for name, code in CHANGES.items()}
    assert {code for code, *_ in every} == set(names)
    for code, _, first, last, _ in every:
        lasts = DECLARED.changes[names[code]].lasts
        if lasts is None:
            assert last == DATES - 1
        else:
            assert lasts[0] <= last - first + 1 <= lasts[1]


def test_not_every_event_is_an_upright_rectangle(several):
    upright = []
    for series in several:
        pieces, count = label(series.span.array[0] >= 0, np.ones((3, 3)))
        for number in range(1, count + 1):
            rows, cols = np.nonzero(pieces == number)
            if len(rows) >= 12:
                upright.append(len(rows) == (np.ptp(rows) + 1) * (np.ptp(cols) + 1))
    assert np.mean(upright) < 0.2


def test_rain_brightens_open_land_of_the_whole_scene_at_once_and_nothing_of_it_is_change():
    dry = replace_confusers(wet_dates=0.0)
    wet = replace_confusers(wet_dates=1.0)
    without, rained = made(301, confusers=dry), made(301, confusers=wet)
    field = without.kind.array[0] == FIELD
    gain_db = 10 * np.log10(rained.unchanged / without.unchanged)[:, 0, field]
    assert np.array_equal(without.span.array, rained.span.array)
    assert gain_db.min() > 0.99
    assert gain_db.max() < 2.01
    assert np.ptp(gain_db, axis=1).max() < 0.01  # the same on every field of a date


def replace_confusers(**given):
    return DECLARED.confusers.model_copy(update={"points": 0, **given})


def test_side_lobes_vary_only_because_registration_does():
    still, moving = (Confusers(points=6, jitter_px=each, wet_dates=0) for each in (0.0, 0.2))
    calm, shaken = made(305, (96, 96), still), made(305, (96, 96), moving)
    near = calm.kind.array[0] == POINT
    spread = [(each.unchanged[:, 0].std(axis=0) / each.unchanged[:, 0].mean(axis=0))[near] for each in (calm, shaken)]
    assert np.median(spread[1]) > np.median(spread[0])


def test_a_kind_that_nobody_knows_or_a_range_upside_down_is_refused(tmp_path):
    kind = next(iter(DECLARED.changes.values()))
    with pytest.raises(ValueError, match="no such kind of change: ufo"):
        change_series(1, (96, 96), {"ufo": kind}, Confusers(), dates=24, seen=SEEN)
    with pytest.raises(ValueError, match="10 dates"):
        change_series(1, (96, 96), DECLARED.changes, Confusers(), dates=5, seen=SEEN)
    declared = {"view": "change-series", "places": [{"name": "one", "seed": 1}]}
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"simulation": declared}))
    with pytest.raises(BadParams, match="which needs one"):
        read_simulation(tmp_path)
    with pytest.raises(ValueError, match=r"area_px: 9\.0 to 2\.0 is no range"):
        ChangeKind.model_validate({**kind.model_dump(), "area_px": (9, 2)})


def test_a_dataset_of_graded_changes_says_the_contrast_beside_the_dates(tmp_path):
    changes = {name: kind.model_dump(mode="json") for name, kind in DECLARED.changes.items()}
    declared = {
        "view": "change-series",
        "shape": [96, 96],
        "changes": changes,
        "places": [{"name": "one", "seed": 5}],
    }
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"simulation": declared}))
    (source,) = read_sources(simulate(tmp_path))
    contrast, kind = read_scene(source.files["contrast"]), read_scene(source.files["kind"])
    assert contrast.unit == "db"
    assert ((contrast.array[0] != 0) == np.isin(kind.array[0], list(CHANGES.values()))).all()
