"""Rules without a model on published labels: clean, or broken for a reason that is told."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from components.annotation.faults import FAULTS
from components.annotation.labelled import summarise_labelled
from components.annotation.planted import broken
from components.annotation.rules import Expectations
from components.annotation.table import summarise
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources, write_source
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Class, Scene

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FLOODS, TAIZHOU = REAL / "landcover" / "sen1floods11_sample", REAL / "change_optical" / "landsat_taizhou"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are absent; set SWATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def flood(tmp_path_factory):
    home = tmp_path_factory.mktemp("sources") / "floods"
    home.mkdir()
    known = {"name": "floods", "title": "t", "origin": "o", "licence": "l", "citation": "c", "sensor": "s"}
    (home / "dataset.yaml").write_text(yaml.safe_dump({**known, "layout": "sen1floods11"}))
    ingest(FLOODS, home)
    return read_sources(home / "raw")[0]


def broken_rules(table, expectations):
    scenes = table[table["level"] == "scene"]
    return {rule.name for rule in expectations.all_rules() if broken(scenes, rule)}


def of_image(role):
    table = {"kind": "labelled-image", "image": role, "window_px": 4096}
    return Expectations(suite="labelled-image", table=table)


def test_the_hand_label_of_a_flood_fits_its_optical_image(flood):
    expectations = of_image("optical")
    assert broken_rules(summarise_labelled([flood], expectations.table), expectations) == set()


def test_how_far_a_label_of_the_flood_was_moved_is_measured(flood, tmp_path):
    expectations = of_image("optical")
    roles = {role: read_scene(flood.files[role]) for role in ("optical", "mask")}
    moved = next(fault for fault in FAULTS if fault.name.startswith("label moved"))
    roles["optical"], roles["mask"] = moved.plant(roles["optical"], roles["mask"])
    table = summarise_labelled([write_source(tmp_path, "moved", "Spain", roles)], expectations.table)
    # the length is right and the confidence 0.24, below the 0.3 from which the rule speaks: a miss, see the docs
    assert table.loc[0, "shift_down_px"] == pytest.approx(-6, abs=0.5)
    assert table.loc[0, "shift_right_px"] == pytest.approx(5, abs=0.5)


def stored(name):
    with rasterio.open(TAIZHOU / name) as file:
        return file.read(), file.transform


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_nobody_labelled_in_taizhou_is_unknown_and_not_unchanged(tmp_path):
    (before, transform), (after, _) = stored("2000TM"), stored("2003TM")
    codes = np.full((1, *before.shape[1:]), 255, np.uint8)
    for name, code in (("unchanged.bmp", 0), ("change.bmp", 1)):
        codes[0][stored(name)[0][0] > 0] = code
    grid = Grid(rasterio.CRS.from_epsg(32651), transform, before.shape[1:])
    bands = ("B01", "B02", "B03", "B04", "B05", "B07")
    dates = {role: Scene(each, grid, bands, "digital_number") for role, each in (("before", before), ("after", after))}
    classes = (Class(0, "unchanged", (60, 60, 60)), Class(1, "changed", (213, 94, 0)))
    mask = Scene(codes, grid, ("class",), "class", 255, classes=classes)
    expectations = Expectations(table={"window_px": 4096})
    source = write_source(tmp_path, "taizhou", "taizhou", {**dates, "mask": mask})
    table = summarise([source], expectations.table)
    row = table.iloc[0]
    assert row["labelled_fraction"] == pytest.approx(0.1337, abs=0.001)
    assert row["share_changed"] + row["share_unchanged"] == pytest.approx(1)
    assert row["changed_fraction"] == pytest.approx((codes == 1).sum() / (codes != 255).sum())
