import json
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS

from components.errors import BadParams, TooMuchLost
from components.ingestion.__main__ import main
from components.ingestion.ingest import ingest
from components.raster.dataset import read_sources, verify_manifest
from components.raster.io import describe, read_scene
from tests.ingestion.folders import DECLARATION, NAMES, contents, declare, label, numbers, source_folder, write_triple
from tests.scenes import make_grid, write_plain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clean(tmp_path):
    """Source folder and dataset folder, nothing ingested yet."""
    return source_folder(tmp_path), declare(tmp_path)


def test_reflectance_is_scaled_once_and_stored_exactly(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    path = read_sources(dataset / "raw")[0].files["before"]
    scene, info = read_scene(path), describe(path)
    np.testing.assert_array_equal(read_scene(path, decode=False).array, numbers(0) * 2)
    np.testing.assert_allclose(scene.array, numbers(0) * 1e-4, rtol=1e-6)
    assert (scene.unit, scene.bands, info.dtype, info.tiled) == ("reflectance", ("B02", "B08"), "uint16", True)
    assert scene.grid.same_as(make_grid((24, 20)))


def test_labels_become_named_class_codes(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    mask = read_scene(read_sources(dataset / "raw")[0].files["mask"])
    np.testing.assert_array_equal(mask.array, label(0) * 4)
    assert [(each.code, each.name) for each in mask.classes] == [(0, "unchanged"), (4, "burned")]
    assert (mask.unit, mask.nodata) == ("class", 255)


def test_what_was_applied_and_where_it_comes_from_is_recorded(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    source = read_sources(dataset / "raw")[0]
    assert source.properties["swath:applied"] == {"scale": 1e-4, "offset": 0.0}
    assert source.properties["swath:sources"]["before"]["file"] == "pre/a_1.tif"
    assert len(source.properties["swath:sources"]["before"]["sha256"]) == 64
    assert source.properties["swath:event_date"] == "1"
    assert read_scene(source.files["before"]).acquired is None  # the date of the fire is not that of the image


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    folder = source_folder(tmp_path)
    for home in ("one", "two"):
        ingest(folder, declare(tmp_path / home))
    one, two = (contents(tmp_path / home / "data/sources/toy/raw") for home in ("one", "two"))
    assert one == two


def _garbage(folder):
    (folder / "pre" / "b_2.tif").write_bytes(b"II*\0 and nothing more")


def _truncated(folder):
    path = folder / "post" / "b_2.tif"
    path.write_bytes(path.read_bytes()[:-2000])


def _unseen(folder):
    write_plain(folder / "pre" / "b_2.tif", np.full((2, 24, 20), np.nan), make_grid((24, 20)))


def _constant(folder):
    write_plain(folder / "pre" / "b_2.tif", np.zeros((2, 24, 20)), make_grid((24, 20)))


def _no_crs(folder):
    for role in ("pre", "post", "masks"):
        write_plain(folder / role / "b_2.tif", numbers(1) if role != "masks" else label(1), make_grid((24, 20), None))


def _other_grid(folder):
    write_plain(folder / "post" / "b_2.tif", numbers(1), make_grid((24, 20), corner=(500010.0, 5000000.0)))


def _other_shape(folder):
    write_plain(folder / "post" / "b_2.tif", numbers(1, (23, 20)), make_grid((23, 20)))


def _unknown_label(folder):
    write_plain(folder / "masks" / "b_2.tif", label(1) * 7, make_grid((24, 20)))


def _three_bands(folder):
    write_plain(folder / "pre" / "b_2.tif", np.concatenate([numbers(1), numbers(2)[:1]]), make_grid((24, 20)))


def _between_steps(folder):
    write_plain(folder / "pre" / "b_2.tif", numbers(1) + 0.1, make_grid((24, 20)))


def _negative(folder):
    write_plain(folder / "pre" / "b_2.tif", numbers(1) - 9000, make_grid((24, 20)))


FAULTS = {
    _garbage: "damaged",
    _truncated: "truncated",
    _unseen: "is empty: no pixel",
    _constant: "is empty: every pixel",
    _no_crs: "has no CRS",
    _other_grid: "grids differ",
    _other_shape: "grids differ",
    _unknown_label: "label values that are not declared: 7",
    _three_bands: "holds 3 unnamed bands, 2 are declared",
    _between_steps: "between the steps",
    _negative: "do not fit uint16",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_bad_scene_is_quarantined_by_name_and_the_rest_goes_on(clean, spoil):
    folder, dataset = clean
    spoil(folder)
    report = ingest(folder, dataset)
    assert report.ingested == ("a_1", "c_3")
    assert [each.name for each in report.quarantined] == ["b_2"]
    assert FAULTS[spoil] in report.quarantined[0].reason
    assert report.lost_fraction == pytest.approx(1 / 3)
    assert [source.id for source in read_sources(dataset / "raw")] == ["a_1", "c_3"]


def test_a_file_with_a_scale_of_its_own_is_not_scaled_twice(clean):
    folder, dataset = clean
    with rasterio.open(folder / "pre" / "b_2.tif", "r+") as file:
        file.scales = (0.5, 0.5)
    report = ingest(folder, dataset)
    assert "carries a scale or offset of its own" in report.quarantined[0].reason


def test_bands_are_taken_by_name_where_the_file_names_them(clean):
    folder, dataset = clean
    write_plain(folder / "pre" / "a_1.tif", numbers(0)[::-1], make_grid((24, 20)))
    with rasterio.open(folder / "pre" / "a_1.tif", "r+") as file:
        file.descriptions = ("B8", "B2")
    ingest(folder, dataset)
    scene = read_scene(read_sources(dataset / "raw")[0].files["before"])
    np.testing.assert_allclose(scene.array, numbers(0) * 1e-4, rtol=1e-6)


def test_nan_borders_stay_without_data(clean):
    folder, dataset = clean
    values = numbers(0)
    values[:, :3] = np.nan
    write_plain(folder / "pre" / "a_1.tif", values, make_grid((24, 20)))
    ingest(folder, dataset)
    scene = read_scene(read_sources(dataset / "raw")[0].files["before"])
    np.testing.assert_array_equal(scene.valid, np.isfinite(values).all(axis=0))


def test_too_much_lost_fails_and_names_the_scenes(clean):
    folder, dataset = clean
    _garbage(folder)
    with pytest.raises(TooMuchLost, match=r"toy: 33% of the scenes were quarantined, limit 10%: b_2: "):
        ingest(folder, dataset, max_lost=0.1)


@pytest.mark.parametrize(("without", "kept"), [(("pre", "post", "masks"), 1), (("post",), 0)])
def test_a_pixel_grid_needs_all_partners_without_crs(tmp_path, without, kept):
    folder = source_folder(tmp_path, ("a_1",))
    for role in without:
        values = label(0) if role == "masks" else numbers(5)
        write_plain(folder / role / "a_1.tif", values, make_grid((24, 20), None))
    report = ingest(folder, declare(tmp_path, needs_crs=False), max_lost=1)
    assert len(report.ingested) == kept


def test_running_again_ingests_only_what_is_new(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    before = contents(dataset / "raw")
    again = ingest(folder, dataset)
    assert (again.ingested, again.skipped) == ((), NAMES)
    assert contents(dataset / "raw") == before
    write_triple(folder, "d_4", seed=4)
    assert ingest(folder, dataset).ingested == ("d_4",)


def test_a_changed_source_is_ingested_again(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    write_triple(folder, "b_2", seed=9)
    assert ingest(folder, dataset).ingested == ("b_2",)


def test_a_changed_declaration_ingests_everything_again(clean, tmp_path):
    folder, dataset = clean
    ingest(folder, dataset)
    declare(tmp_path, image={**DECLARATION["image"], "storage": {"dtype": "float32"}})
    assert ingest(folder, dataset).ingested == NAMES


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"x")], ids=["removed", "changed"])
def test_a_harmed_file_is_ingested_again_and_never_signed(clean, harm):
    folder, dataset = clean
    ingest(folder, dataset)
    before = contents(dataset / "raw")
    harm(dataset / "raw" / "scenes" / "b_2" / "after.tif")
    assert ingest(folder, dataset).ingested == ("b_2",)
    assert contents(dataset / "raw") == before


def test_a_source_that_broke_since_is_no_longer_registered(clean):
    folder, dataset = clean
    ingest(folder, dataset)
    _garbage(folder)
    ingest(folder, dataset)
    assert [source.id for source in read_sources(dataset / "raw")] == ["a_1", "c_3"]
    verify_manifest(dataset / "raw")


AFTER_TWO = "progress = lambda done, count, name: done == 2 and os.kill(os.getpid(), signal.SIGKILL)"
BEFORE_REGISTERING = """
import components.raster.dataset as place
write = place.write_text
def fatal(path, text):
    if path.name == "b_2.json":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, text)
place.write_text = fatal
progress = None
"""


@pytest.mark.parametrize("moment", [AFTER_TWO, BEFORE_REGISTERING], ids=["between", "within"])
def test_a_killed_ingestion_leaves_nothing_half_registered(clean, tmp_path, moment):
    folder, dataset = clean
    program = f"""
import os, signal
from pathlib import Path
from components.ingestion.ingest import ingest
{moment}
ingest(Path({str(folder)!r}), Path({str(dataset)!r}), progress=progress)
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    for source in read_sources(dataset / "raw"):
        for path in source.files.values():
            read_scene(path)  # whatever is registered is whole
    ingest(folder, dataset)
    verify_manifest(dataset / "raw")
    assert contents(dataset / "raw") == _undisturbed(tmp_path, folder)


def _undisturbed(tmp_path, folder):
    other = declare(tmp_path / "other")
    ingest(folder, other)
    return contents(other / "raw")


def test_the_quarantine_does_not_name_this_machine(clean):
    folder, dataset = clean
    _garbage(folder)
    ingest(folder, dataset)
    assert str(folder) not in (dataset / "raw" / "quarantine.json").read_text()


def test_the_command_says_what_it_did_and_its_exit_code_is_honest(clean, tmp_path, capsys):
    folder, _ = clean
    assert main(["toy", str(folder), "--root", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["ingested"] == list(NAMES)
    shutil.rmtree(folder / "post")
    assert main(["toy", str(folder), "--root", str(tmp_path)]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_the_reasons_in_the_quarantine_name_no_place_of_this_machine(clean):
    folder, dataset = clean
    _negative(folder)
    reason = ingest(folder, dataset).quarantined[0].reason
    assert reason.startswith("b_2/before.tif: values of ")


def test_scenes_of_several_zones_and_of_a_pole_lie_side_by_side_in_their_own_crs(tmp_path):
    grids = {
        "a_1": make_grid((24, 20)),
        "b_2": make_grid((24, 20), CRS.from_epsg(32632), corner=(300000.0, 5000000.0)),
        "c_3": make_grid((24, 20), CRS.from_epsg(3031), corner=(850000.0, -120000.0)),
    }
    for seed, (name, grid) in enumerate(grids.items()):
        write_triple(tmp_path / "source", name, seed, grid)
    dataset = declare(tmp_path)
    ingest(tmp_path / "source", dataset)
    for source in read_sources(dataset / "raw"):
        assert read_scene(source.files["before"]).grid.same_as(grids[source.id])


DATED = {**DECLARATION["layout"], "name": r"(?P<fire>[^_]+)_(?P<date>\d+)(_(?P<day>\d{8}))?\.tif"}


def test_a_role_is_dated_by_its_file_name_or_by_a_day_and_the_age_of_the_label_is_kept(clean, tmp_path):
    folder, _ = clean
    for role, day in (("pre", "20240301"), ("post", "20240401")):
        for name in NAMES:
            (folder / role / f"{name}.tif").rename(folder / role / f"{name}_{day}.tif")
    dates = {"before": "{day}", "after": "{day}", "mask": date(2019, 6, 1)}
    dataset = declare(tmp_path, layout=DATED, dates=dates)
    ingest(folder, dataset)
    source = read_sources(dataset / "raw")[0]
    assert read_scene(source.files["before"]).acquired.isoformat() == "2024-03-01T00:00:00+00:00"
    assert read_scene(source.files["after"]).acquired.isoformat() == "2024-04-01T00:00:00+00:00"
    assert source.properties["swath:mask"]["age"] == {
        "oldest": "2019-06-01",
        "newest": "2019-06-01",
        "image": "2024-04-01",
        "days since oldest": 1766,
        "days since newest": 1766,
    }
    assert ingest(folder, dataset).ingested == ()
    dates["mask"] = 20230601
    assert ingest(folder, declare(tmp_path, layout=DATED, dates=dates)).ingested == NAMES


def test_a_name_that_is_no_day_is_an_error_that_names_the_role(clean, tmp_path):
    folder, _ = clean
    with pytest.raises(BadParams, match="dates: mask: '1' is no day like 2024-03-01"):
        ingest(folder, declare(tmp_path, dates={"mask": "{date}"}))
