from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from components.errors import NotEnoughData, UnknownName
from components.raster.grid import Window
from components.raster.io import read_scene
from components.review.choosing import Candidate
from components.review.export import Request, export
from components.review.project import version_of
from components.review.status import overwritten, statuses
from components.review.tiles import Stretch
from tests.review.projects import DATASET, WINDOW, answered, drawn, make_dataset, review, save
from tests.scenes import make_grid


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "raw")


def test_the_sidecar_says_where_a_chip_lies_and_what_it_was_made_of(raw, tmp_path):
    project = review(raw, tmp_path / "out")
    chip = json.loads((tmp_path / "out" / "project.json").read_text())["chips"][0]
    assert chip["transform"] == [10.0, 0.0, 500160.0, 0.0, -10.0, 4999840.0]
    assert rasterio.crs.CRS.from_wkt(chip["crs"]).to_epsg() == 32631
    assert chip["window"] == [16, 16, 32, 32]
    assert project.version == version_of(raw)


def test_tiles_show_the_window_with_the_chosen_bands_and_stretch(raw, tmp_path):
    project = review(raw, tmp_path / "out", stretch=Stretch(("B12", "B08", "B04"), (0.0, 0.5)))
    shown = np.asarray(Image.open(tmp_path / "out" / "tiles" / "a-16-16-after.png"))
    scene = read_scene(raw / "scenes/a/after.tif", window=WINDOW, bands=["B12", "B08", "B04"])
    expected = np.round(np.clip(scene.array / 0.5, 0, 1) * 255).astype(np.uint8)
    assert np.array_equal(shown[:: project.zoom, :: project.zoom], np.moveaxis(expected, 0, -1))


def test_both_dates_have_one_stretch_so_that_a_difference_is_one_on_the_ground(raw, tmp_path):
    review(raw, tmp_path / "out", Window(40, 40, 16, 16))  # nothing but noise differs here
    before, after = (
        np.asarray(Image.open(tmp_path / "out" / "tiles" / f"a-40-40-{role}.png")).astype(int)
        for role in ("before", "after")
    )
    assert np.abs(before - after).mean() < 15


def test_the_same_export_gives_the_same_bytes(raw, tmp_path):
    review(raw, tmp_path / "one")
    review(raw, tmp_path / "two")
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_picture_without_a_place_has_no_geojson_and_the_other_forms(tmp_path):
    raw = make_dataset(tmp_path / "raw", grid=make_grid(crs=None))
    review(raw, tmp_path / "out")
    assert not (tmp_path / "out" / "chips.geojson").exists()
    assert json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"]


def test_a_hole_names_the_region_that_it_is_cut_out_of(raw, tmp_path):
    review(raw, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "tasks.json").read_text())[0]["predictions"][0]["result"]
    (hole,) = [each for each in results if "parentID" in each]
    assert hole["value"]["polygonlabels"] == ["unchanged"]
    assert hole["parentID"] in {each["id"] for each in results}


def test_a_scene_or_role_that_is_not_there_is_named(raw, tmp_path):
    with pytest.raises(UnknownName, match="'nowhere'"):
        export(raw, DATASET, [Candidate("nowhere", "p", WINDOW)], Request(), tmp_path)
    with pytest.raises(UnknownName, match="'cover'"):
        export(raw, DATASET, [Candidate("a", "p", WINDOW)], Request(role="cover"), tmp_path)
    with pytest.raises(NotEnoughData):
        export(raw, DATASET, [], Request(), tmp_path)


def test_status_counts_merged_chips_and_names_those_that_were_overwritten(raw, tmp_path):
    from components.review.__main__ import main

    home, root = tmp_path / "reviews", tmp_path / "project"
    (root / "data/sources" / DATASET).mkdir(parents=True)
    raw = raw.rename(root / "data/sources" / DATASET / "raw")
    review(raw, home / "first", WINDOW, Window(0, 48, 16, 16))
    tasks = answered(home / "first")[:1]
    tasks[0]["annotations"][0]["result"] = [drawn("changed", [[0, 0], [50, 0], [50, 50], [0, 50]])]
    file = save(tasks, tmp_path / "answer.json")
    assert main(["import", DATASET, str(home / "first"), str(file), "--root", str(root)]) == 0
    (found,) = statuses(home, root / "data/sources")
    assert (found.chips, found.merged, found.lost) == (2, 1, ())
    make_dataset(raw)  # ingested anew over the correction
    assert [entry.chip for entry in overwritten(raw)] == ["a@16,16"]
    assert main(["import", DATASET, str(home / "nowhere"), str(file), "--root", str(root)]) == 1
