"""Public layouts, read as published: a generated archive each, the real sample where there is one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from scipy.io import savemat

from components.errors import BadParams, UnknownName
from components.ingestion.declaration import read_declaration
from components.ingestion.ingest import ingest
from components.ingestion.published import published_layouts
from components.raster.dataset import read_sources
from components.raster.io import read_scene
from tests.ingestion import archives

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
SIDE = archives.SIDE
# layout -> archive, ids, place of the first, {label role: codes (upper half, lower half)}
CASES = {
    "oscd": (archives.oscd, ("paris", "rio"), "paris", {"mask": (0, 5)}),
    "levir-cd": (archives.levir, ("test_7", "train_1"), "test_7", {"mask": (0, 1)}),
    "hrscd": (
        archives.hrscd, ("14-0310-6890",), "D14", {"mask": (0, 5), "cover_before": (255, 3), "cover_after": (255, 3)}
    ),
    "second": (archives.second, ("train-00003",), "train-00003", {"cover_before": (0, 4), "cover_after": (0, 5)}),
    "sen12ms": (archives.sen12ms, ("ROIs1158_spring_1_p30",), "ROIs1158_spring-1", {"cover": (12, 13)}),
    "sen1floods11": (archives.sen1floods11, ("Ghana_103272",), "Ghana", {"mask": (255, 1)}),
    "isprs-potsdam": (archives.potsdam, ("2_10",), "potsdam-2_10", {"mask": (2, 4)}),
    "isprs-vaihingen": (archives.vaihingen, ("1",), "vaihingen-1", {"mask": (2, 4)}),
}  # fmt: skip


def declared(tmp_path, layout, **more):
    known = {"name": "toy", "title": "t", "origin": "o", "licence": "l", "citation": "c", "sensor": "s"}
    home = tmp_path / "toy"
    home.mkdir(exist_ok=True)
    (home / "dataset.yaml").write_text(yaml.safe_dump({**known, "layout": layout, **more}))
    return home


@pytest.mark.parametrize("layout", CASES)
def test_an_archive_comes_in_as_it_was_published(tmp_path, layout):
    make, ids, place, labels = CASES[layout]
    make(tmp_path / "archive")
    dataset = declared(tmp_path, layout)
    report = ingest(tmp_path / "archive", dataset)
    assert (report.ingested, report.quarantined) == (ids, ())
    source = read_sources(dataset / "raw")[0]
    assert source.place == place
    for role, expected in labels.items():
        found = read_scene(source.files[role])
        assert (int(found.array[0, 0, 0]), int(found.array[0, -1, 0])) == expected
        assert all(each.name for each in found.classes)
    declaration = read_declaration(dataset)
    for role in declaration.image_roles:
        image = read_scene(source.files[role])
        assert image.bands == read_scene(source.files[role]).select(declaration.image_of(role).bands).bands
        assert image.unit == declaration.image_of(role).unit
        assert image.grid.shape == (SIDE, SIDE)


def test_every_named_layout_is_tested():
    elsewhere = {"mat-cube", "cowc", "dota", "vedai", "yolo"}  # below, and test_boxes.py
    assert set(published_layouts()) == {*CASES, *elsewhere}


def test_the_official_split_of_oscd_is_kept_and_its_values_are_reflectance(tmp_path):
    archives.oscd(tmp_path / "archive")
    dataset = declared(tmp_path, "oscd")
    ingest(tmp_path / "archive", dataset)
    paris, rio = read_sources(dataset / "raw")
    assert (paris.properties["swath:split"], rio.properties["swath:split"]) == ("train", "test")
    scene = read_scene(paris.files["after"])
    assert scene.bands == archives.OSCD_BANDS
    np.testing.assert_allclose(scene.array[8], archives.numbers(1, 208)[0] * 1e-4, rtol=1e-6)


def test_a_split_in_the_path_is_kept(tmp_path):
    archives.levir(tmp_path / "archive")
    dataset = declared(tmp_path, "levir-cd")
    ingest(tmp_path / "archive", dataset)
    assert [each.properties["swath:split"] for each in read_sources(dataset / "raw")] == ["test", "train"]


def test_a_role_without_any_file_says_what_is_expected_where(tmp_path):
    archives.oscd(tmp_path / "archive")
    shutil.rmtree(tmp_path / "archive" / "Labels")
    with pytest.raises(BadParams, match=r"no file for mask; expected files like abudhabi/cm/cm\.png below it"):
        ingest(tmp_path / "archive", declared(tmp_path, "oscd"))


def test_a_city_without_its_label_or_a_band_is_quarantined_with_what_is_expected(tmp_path):
    archives.oscd(tmp_path / "archive")
    (tmp_path / "archive/Labels/rio/cm/cm.png").unlink()
    (tmp_path / "archive/Images/paris/imgs_2_rect/B8A.tif").unlink()
    report = ingest(tmp_path / "archive", declared(tmp_path, "oscd"), max_lost=1.0)
    reasons = {each.name: each.reason for each in report.quarantined}
    assert reasons["rio"] == "no mask; expected files like abudhabi/cm/cm.png"
    assert reasons["paris"].startswith("no B8A of after; expected one file a band, files like abudhabi/imgs_2_rect/")


def test_an_undeclared_colour_is_quarantined_by_its_name(tmp_path):
    archives.second(tmp_path / "archive")
    archives.coloured(tmp_path / "archive/train/label2/00003.png", ("#ffffff", "#123456"))
    report = ingest(tmp_path / "archive", declared(tmp_path, "second"), max_lost=1.0)
    assert "not declared: #123456; add them to label.colours" in report.quarantined[0].reason


def test_a_label_of_another_size_than_its_image_is_quarantined(tmp_path):
    archives.potsdam(tmp_path / "archive")
    label = tmp_path / "archive/5_Labels_all/top_potsdam_2_10_label.tif"
    archives.write_plain(label, np.zeros((3, 10, 10), np.uint8) + 255, archives.make_grid((10, 10), None))
    report = ingest(tmp_path / "archive", declared(tmp_path, "isprs-potsdam"), max_lost=1.0)
    assert "has (10, 10) pixels, its image (24, 24)" in report.quarantined[0].reason


def test_an_unknown_layout_lists_those_that_there_are(tmp_path):
    with pytest.raises(UnknownName, match="no published layout named 'oskd'; known: cowc, dota, hrscd"):
        read_declaration(declared(tmp_path, "oskd"))


def test_keys_of_the_dataset_win_over_those_of_the_layout(tmp_path):
    image = {"bands": ["B02"], "unit": "digital_number", "storage": {"dtype": "float32"}}
    declaration = read_declaration(declared(tmp_path, "oscd", image=image))
    assert declaration.image.bands == ("B02",)
    assert declaration.label.role == "mask"


CUBE = np.random.default_rng(0).integers(0, 9000, (SIDE, SIDE + 2, 5)).astype(np.uint16)
TRUTH = np.tile(np.arange(3, dtype=np.uint8), (SIDE, (SIDE + 2) // 2))[:, : SIDE + 2]
MAT = {
    "image": {"bands": 5, "unit": "digital_number", "storage": {"dtype": "uint16"}},
    "label": {
        "values": {0: 255, 1: 1, 2: 2},
        "classes": {1: {"name": "meadow", "colour": [0, 99, 0]}, 2: {"name": "roof", "colour": [99, 0, 0]}},
    },
}


def old_mat(path, name, array):
    savemat(path, {name: array})


def new_mat(path, name, array):
    with h5py.File(path, "w", userblock_size=512) as file:
        file[name] = array.T


@pytest.mark.parametrize("write", [old_mat, new_mat])
def test_a_matlab_cube_comes_in_before_and_after_version_7_3(tmp_path, write):
    archive = tmp_path / "archive"
    archive.mkdir()
    write(archive / "Indian_pines_corrected.mat", "indian_pines_corrected", CUBE)
    write(archive / "Indian_pines_gt.mat", "indian_pines_gt", TRUTH)
    dataset = declared(tmp_path, "mat-cube", **MAT)
    assert ingest(archive, dataset).ingested == ("Indian_pines",)
    source = read_sources(dataset / "raw")[0]
    scene = read_scene(source.files["image"], decode=False)
    assert scene.bands == ("band1", "band2", "band3", "band4", "band5")
    np.testing.assert_array_equal(scene.array, np.moveaxis(CUBE, -1, 0))
    np.testing.assert_array_equal(
        read_scene(source.files["mask"], decode=False).array[0], np.where(TRUTH == 0, 255, TRUTH)
    )


def test_a_matlab_file_of_several_arrays_needs_the_name_of_one(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    savemat(archive / "PaviaU.mat", {"a": CUBE, "b": CUBE})
    savemat(archive / "PaviaU_gt.mat", {"gt": TRUTH})
    report = ingest(archive, declared(tmp_path, "mat-cube", **MAT), max_lost=1.0)
    assert "holds 2 arrays: a, b; say which in dataset.yaml, key variable" in report.quarantined[0].reason
    named = {**MAT, "image": {**MAT["image"], "variable": "b"}}
    assert ingest(archive, declared(tmp_path, "mat-cube", **named)).ingested == ("PaviaU",)


def test_what_is_no_matlab_file_is_quarantined(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "PaviaU.mat").write_bytes(b"nothing of the kind" * 50)
    savemat(archive / "PaviaU_gt.mat", {"gt": TRUTH})
    report = ingest(archive, declared(tmp_path, "mat-cube", **MAT), max_lost=1.0)
    assert "is no MATLAB file" in report.quarantined[0].reason


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are absent; set SWATH_REAL_DATA")
def test_the_real_chip_of_sen1floods11_comes_in(tmp_path):
    dataset = declared(tmp_path, "sen1floods11")
    report = ingest(REAL / "landcover" / "sen1floods11_sample", dataset)
    assert (report.ingested, report.quarantined) == (("Spain_7370579",), ())
    source = read_sources(dataset / "raw")[0]
    radar, optical, mask = (read_scene(source.files[role]) for role in ("radar", "optical", "mask"))
    assert (radar.unit, radar.bands, len(optical.bands)) == ("db", ("VV", "VH"), 13)
    assert -40 < np.nanmedian(radar.array) < 0
    assert 0 < np.nanmedian(optical.array) < 0.6
    assert set(np.unique(mask.array)) <= {0, 1, 255}
