"""Boxes of four formats become polygons on the grid of their picture, and come back from the dataset."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import BadParams, BadScene
from components.ingestion.boxes import read_boxes
from components.ingestion.ingest import ingest
from components.ingestion.roles import BoxesDeclaration
from components.raster.dataset import read_sources, verify_manifest
from components.raster.vector_files import read_features
from tests.ingestion import archives
from tests.ingestion.test_published import declared
from tests.scenes import make_grid, write_plain


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def ingested(tmp_path, layout, **more):
    dataset = declared(tmp_path, layout, **more)
    report = ingest(tmp_path / "archive", dataset, max_lost=1.0)
    sources = read_sources(dataset / "raw")
    return report, read_features(sources[0].vectors["boxes"]) if sources else None


def bounds(features):
    return [tuple(round(each, 6) for each in geometry.bounds) for geometry in features.geometries]


def test_dota_boxes_keep_outline_class_and_doubt(tmp_path):
    archives.picture(tmp_path / "archive/train/images/P0000.png")
    lines = ("imagesource:GoogleEarth", "gsd:0.14", "2 3 8 3 8 6 2 6 plane 0", "1 1 5 3 4 5 0 3 ship 1")
    text(tmp_path / "archive/train/labelTxt/P0000.txt", *lines)
    _, found = ingested(tmp_path, "dota")
    assert bounds(found) == [(2, 3, 8, 6), (0, 1, 5, 5)]
    assert found.table["class"].tolist() == ["plane", "ship"]
    assert found.table["difficult"].tolist() == [False, True]
    assert found.crs is None


def test_vedai_corners_are_all_x_then_all_y(tmp_path):
    for kind in ("co", "ir"):
        path = tmp_path / f"archive/Vehicules512/00000000_{kind}.png"
        archives.picture(path) if kind == "co" else archives.grey(path, (10, 200))
    text(tmp_path / "archive/Annotations512/00000000.txt", "5 5.5 0.1 2 8 8 2 3 3 8 8 11 1 0")
    _, found = ingested(tmp_path, "vedai")
    assert bounds(found) == [(2, 3, 8, 8)]
    assert found.table["class"].tolist() == ["pickup"]


YOLO = {"boxes": {"format": "yolo", "classes": {"0": "car"}}}


def test_yolo_fractions_are_of_columns_and_rows(tmp_path):
    archives.picture(tmp_path / "archive/images/train/a.png")
    text(tmp_path / "archive/labels/train/a.txt", "0 0.5 0.25 0.5 0.25", "0 0 0 0.5 0 0.5 0.25")
    _, found = ingested(tmp_path, "yolo", **YOLO)
    assert bounds(found) == [(6, 3, 18, 9), (0, 0, 12, 6)]


def test_boxes_on_a_placed_image_are_in_map_coordinates(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (3, 24, 24)).astype(np.uint8)
    write_plain(tmp_path / "archive/images/train/a.tif", image, make_grid((24, 24)))
    text(tmp_path / "archive/labels/train/a.txt", "0 0.5 0.25 0.5 0.25")
    _, found = ingested(tmp_path, "yolo", **YOLO)
    assert bounds(found) == [(500060, 4999910, 500180, 4999970)]
    assert found.crs.to_epsg() == 32631


def test_no_file_means_no_object_and_the_picture_stays(tmp_path):
    for name in ("a", "b"):
        archives.picture(tmp_path / f"archive/images/train/{name}.png")
    text(tmp_path / "archive/labels/train/b.txt", "0 0.5 0.5 0.5 0.5")
    report, found = ingested(tmp_path, "yolo", **YOLO)
    assert report.ingested == ("a", "b")
    assert found.geometries == ()


def test_yolo_without_named_classes_is_refused(tmp_path):
    with pytest.raises(BadParams, match=r"boxes\.classes: Dictionary should have at least 1 item"):
        ingested(tmp_path, "yolo")


def test_red_dots_are_cars_and_blue_ones_are_not(tmp_path):
    archives.picture(tmp_path / "archive/Toronto_ISPRS/03553.png")
    dots = np.zeros((24, 24, 3), np.uint8)
    dots[5, 7] = dots[10:12, 10:12] = (255, 0, 0)
    dots[20, 20] = (0, 0, 255)
    archives._save(tmp_path / "archive/Toronto_ISPRS/03553_Annotated_Cars.png", dots)
    _, found = ingested(tmp_path, "cowc")
    assert bounds(found) == [(-2.5, -4.5, 17.5, 15.5), (1, 1, 21, 21)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 3 8 3 8 6 2 plane 0", "line 1 is no box"),
        ("2 3 8 3 8 6 2 6", "line 1 is no box"),
        ("2 3 2 3 2 3 2 3 plane 0", "it has no area"),
        ("2 3 nan 3 8 6 2 6 plane 0", "a number that is none"),
        ("2 3 8 3 8 6 2 6 dragon 0", "classes that are not declared: dragon"),
    ],
)
def test_what_is_no_box_is_named_by_line(tmp_path, line, reason):
    text(tmp_path / "P0000.txt", line)
    declaration = BoxesDeclaration(format="dota", classes={"plane": "plane"})
    with pytest.raises(BadScene, match=reason):
        read_boxes({"boxes": tmp_path / "P0000.txt"}, declaration, make_grid((24, 24), None), None)


def test_a_picture_with_a_broken_line_is_quarantined(tmp_path):
    archives.picture(tmp_path / "archive/train/images/P0000.png")
    text(tmp_path / "archive/train/labelTxt/P0000.txt", "gsd:0.1", "plane")
    report, _ = ingested(tmp_path, "dota")
    assert "P0000.txt: line 2 is no box: 'plane'" in report.quarantined[0].reason


def test_boxes_are_in_the_manifest_and_the_same_bytes_each_time(tmp_path):
    archives.picture(tmp_path / "archive/train/images/P0000.png")
    text(tmp_path / "archive/train/labelTxt/P0000.txt", "2 3 8 3 8 6 2 6 plane 0")
    contents = []
    for home in ("one", "two"):
        (tmp_path / home).mkdir()
        dataset = declared(tmp_path / home, "dota")
        ingest(tmp_path / "archive", dataset)
        verify_manifest(dataset / "raw")
        contents.append(read_sources(dataset / "raw")[0].vectors["boxes"].read_bytes())
        assert ingest(tmp_path / "archive", dataset).skipped == ("P0000",)
    assert contents[0] == contents[1]
