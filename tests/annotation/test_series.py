"""QA of radar series: silent on a clean set, and it names the place whose series is broken, and how."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import yaml
from scipy import ndimage

from components.annotation.check import check
from components.annotation.faults import SERIES_FAULTS
from components.annotation.planted import plant_and_check, tables
from components.annotation.stacking import farthest_px
from components.errors import NotEnoughData
from components.raster.dataset import finish, write_source
from components.simulation.radar_series import radar_series
from components.simulation.speckle import Speckle

EXPECTATIONS = {
    "suite": "series",
    "table": {"kind": "series"},
    "rules": [
        {  # the simulated land is textured, which passes for fewer looks
            "name": "looks-as-declared",
            "expect": "expect_column_values_to_be_between",
            "severity": "warn",
            "remedy": "-",
            "kwargs": {"column": "looks_ratio", "min_value": 0.6, "max_value": 1.6},
        }
    ],
}
BROKEN = "two"


@pytest.fixture(scope="module")
def series():
    return {
        name: radar_series(seed, (96, 96), dates=10, seen=Speckle(4.4)).stack
        for seed, name in enumerate(("one", BROKEN))
    }


@pytest.fixture
def written(series, tmp_path):
    def made(change=lambda scenes: scenes, looks=4.4):
        folder = tmp_path / "dataset"
        folder.mkdir()
        (folder / "expectations.yaml").write_text(yaml.safe_dump(EXPECTATIONS))
        for name, stack in series.items():
            scenes = [stack.scene(index) for index in range(len(stack.dates))]
            scenes = change(scenes) if name == BROKEN else scenes
            declared = looks if name == BROKEN else 4.4
            roles = {f"date-{index:02d}": scene for index, scene in enumerate(scenes)}
            write_source(folder / "raw", name, name, roles, properties={"swath:looks": declared})
        finish(folder / "raw", "dataset")
        return folder

    return made


@pytest.fixture
def checked(written, tmp_path):
    return lambda *args, **options: check(written(*args, **options), tmp_path / "out")


def louder(scenes):
    return [replace(scene, array=scene.array * (2 if index == 4 else 1)) for index, scene in enumerate(scenes)]


def twice_a_day(scenes):
    return [*scenes[:-1], replace(scenes[-1], acquired=scenes[-2].acquired + timedelta(hours=1))]


def blind(scenes):
    array = scenes[3].array.copy()
    array[:, :60] = np.nan
    return [*scenes[:3], replace(scenes[3], array=array), *scenes[4:]]


def aside(scenes):
    moved = np.roll(scenes[6].array, (2, -1), axis=(1, 2))
    return [*scenes[:6], replace(scenes[6], array=moved), *scenes[7:]]


def test_clean_series_pass_without_a_flag(checked):
    report = checked()
    assert report.passed
    assert not report.flagged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "rule", "blocks"),
    [
        (louder, "calibration-holds", False),
        (lambda scenes: [*scenes[:3], *scenes[6:]], "dates-without-gaps", False),
        (twice_a_day, "dates-are-distinct", True),
        (blind, "something-was-seen", True),
        (aside, "dates-lie-on-each-other", False),
    ],
)
def test_a_broken_series_is_named_with_what_is_wrong(checked, change, rule, blocks):
    report = checked(change)
    assert report.flagged == {BROKEN: (rule,)}
    assert report.passed != blocks


@pytest.mark.slow
def test_looks_that_are_not_those_of_the_pixels_are_named(checked):
    assert checked(looks=1.0).flagged == {BROKEN: ("looks-as-declared",)}


@pytest.mark.slow
def test_each_fault_that_is_planted_in_a_series_is_found(written):
    found = plant_and_check(written())
    assert found.untouched == {}
    assert dict(found.faults) == {fault.name: (2, 2) for fault in SERIES_FAULTS}
    assert "| a day twice | 2 / 2 |" in tables([found])


def test_a_series_of_one_date_is_refused(checked):
    with pytest.raises(NotEnoughData, match="two has 1 dates"):
        checked(lambda scenes: scenes[:1])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (0.5, 1.25)])
def test_the_shift_of_a_date_is_found_to_a_fraction_of_a_pixel(series, down, right):
    scenes = [series["one"].scene(index) for index in range(10)]
    array = np.exp(ndimage.shift(np.log(scenes[4].array), (0, down, right), order=1, mode="nearest"))
    moved = [*scenes[:4], replace(scenes[4], array=array), *scenes[5:]]
    assert farthest_px(moved) == pytest.approx(np.hypot(down, right), abs=0.3)


def test_speckle_alone_says_nothing_of_where_a_date_lies(series):
    rng = np.random.default_rng(0)
    sea = [replace(series["one"].scene(0), array=rng.gamma(4, 0.01, (2, 96, 96))) for _ in range(6)]
    assert farthest_px(sea) is None
