"""QA of radar series: silent on a clean set, and it names the place whose series is broken, and how."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import yaml

from components.annotation.check import check
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
def checked(series, tmp_path):
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
        return check(folder, tmp_path / "out")

    return made


def louder(scenes):
    return [replace(scene, array=scene.array * (2 if index == 4 else 1)) for index, scene in enumerate(scenes)]


def twice_a_day(scenes):
    return [*scenes[:-1], replace(scenes[-1], acquired=scenes[-2].acquired + timedelta(hours=1))]


def blind(scenes):
    array = scenes[3].array.copy()
    array[:, :60] = np.nan
    return [*scenes[:3], replace(scenes[3], array=array), *scenes[4:]]


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
    ],
)
def test_a_broken_series_is_named_with_what_is_wrong(checked, change, rule, blocks):
    report = checked(change)
    assert report.flagged == {BROKEN: (rule,)}
    assert report.passed != blocks


@pytest.mark.slow
def test_looks_that_are_not_those_of_the_pixels_are_named(checked):
    assert checked(looks=1.0).flagged == {BROKEN: ("looks-as-declared",)}


def test_a_series_of_one_date_is_refused(checked):
    with pytest.raises(NotEnoughData, match="two has 1 dates"):
        checked(lambda scenes: scenes[:1])
