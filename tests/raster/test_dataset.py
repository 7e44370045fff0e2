import json
import shutil
from datetime import timedelta

import numpy as np
import pystac
import pytest
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rasterio.crs import CRS

from components.errors import BadScene, LineageBroken
from components.raster import dataset
from components.raster.cog import Encoding
from components.raster.dataset import Quarantined, finish, read_sources, verify_manifest, write_source
from components.raster.io import read_scene
from tests.scenes import JUNE, MARCH, change_pair, make_grid

REFLECTANCE = Encoding("uint16", 1e-4, -0.1, 0)


@pytest.fixture
def folder(tmp_path):
    """Two finished sources, one on the ground and one pixel grid."""
    for number, grid in enumerate((make_grid(), make_grid(crs=None))):
        scenes = change_pair(seed=number, grid=grid).scenes
        encodings = {"before": REFLECTANCE, "after": REFLECTANCE}
        write_source(tmp_path, f"s{number}", "valley", scenes, encodings=encodings, properties={"kind": "fire"})
    finish(tmp_path, "toy", [Quarantined("bad", "truncated"), Quarantined("also", "empty")])
    return tmp_path


def test_sources_come_back_by_id_with_place_roles_and_properties(folder):
    first, second = read_sources(folder)
    assert (first.id, second.id, first.place) == ("s0", "s1", "valley")
    assert set(first.files) == {"before", "after", "mask"}
    assert first.properties == {"kind": "fire"}
    assert read_scene(first.files["after"]).acquired == JUNE


def test_a_pixel_grid_has_no_geometry_and_no_crs(folder):
    item = json.loads((folder / "items" / "s1.json").read_text())
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["assets"]["before"]["proj:code"] is None
    assert read_scene(read_sources(folder)[1].files["mask"]).grid.crs is None


@pytest.mark.parametrize("name", ["s0", "s1"])
def test_items_are_valid_stac(folder, name):
    item = json.loads((folder / "items" / f"{name}.json").read_text())
    JsonSchemaSTACValidator().validate_core(item, pystac.STACObjectType.ITEM, item["stac_version"])


def test_an_item_says_grid_bands_unit_and_time(folder):
    item = pystac.Item.from_file(str(folder / "items" / "s0.json"))
    before = item.assets["before"]
    assert before.href == "../scenes/s0/before.tif"
    assert before.extra_fields["proj:code"] == "EPSG:32631"
    assert before.extra_fields["bands"][0] == {"name": "B02", "eo:common_name": "blue"}
    assert (before.extra_fields["unit"], before.extra_fields["raster:scale"]) == ("reflectance", 1e-4)
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    assert (start, end - start) == (MARCH, timedelta(days=92))


def test_a_footprint_across_the_antimeridian_has_two_parts(tmp_path):
    grid = make_grid(crs=CRS.from_epsg(32660), corner=(833_900.0, 0.0))
    write_source(tmp_path, "s", "p", {"image": change_pair(grid=grid).before})
    item = json.loads((tmp_path / "items" / "s.json").read_text())
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"][0] > 179 > -179 > item["bbox"][2]


def test_a_scene_without_a_date_says_so(tmp_path):
    pair = change_pair()
    scene = pair.before.with_array(pair.before.array, acquired=None)
    write_source(tmp_path, "s", "p", {"image": scene})
    item = json.loads((tmp_path / "items" / "s.json").read_text())
    assert item["properties"]["swath:acquired"] == "unknown"
    assert read_sources(tmp_path)[0].properties == {}


def test_the_same_sources_give_the_same_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for number, grid in ((1, make_grid(crs=None)), (0, make_grid())):  # another order
        scenes = change_pair(seed=number, grid=grid).scenes
        encodings = {"after": REFLECTANCE, "before": REFLECTANCE}
        write_source(other, f"s{number}", "valley", scenes, encodings=encodings, properties={"kind": "fire"})
    finish(other, "toy", [Quarantined("also", "empty"), Quarantined("bad", "truncated")])
    assert (folder / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()


def test_the_quarantine_names_what_was_left_out(folder):
    quarantine = json.loads((folder / "quarantine.json").read_text())
    assert [each["name"] for each in quarantine["quarantined"]] == ["also", "bad"]
    assert quarantine["lost_fraction"] == 0.5


def test_an_untouched_folder_passes(folder):
    verify_manifest(folder)


def test_a_moved_folder_passes_and_is_read(folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "raw"
    shutil.copytree(folder, moved)
    verify_manifest(moved)
    assert all(moved in path.parents for source in read_sources(moved) for path in source.files.values())


def test_a_flipped_byte_is_named(folder):
    path = folder / "scenes" / "s0" / "before.tif"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(LineageBroken, match=r"scenes/s0/before\.tif is not the file"):
        verify_manifest(folder)


def test_a_missing_file_is_named(folder):
    (folder / "scenes" / "s1" / "mask.tif").unlink()
    with pytest.raises(LineageBroken, match=r"mask\.tif is missing"):
        verify_manifest(folder)
    with pytest.raises(LineageBroken, match="s1 has no file for mask"):
        read_sources(folder)


def test_a_file_too_many_is_named(folder):
    (folder / "scenes" / "s1" / "extra.tif").touch()
    with pytest.raises(LineageBroken, match=r"extra\.tif is not in the manifest"):
        verify_manifest(folder)


def test_an_unfinished_folder_is_refused(tmp_path):
    with pytest.raises(LineageBroken, match=r"no readable manifest\.json"):
        verify_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b"])
def test_ids_that_are_no_file_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="must be letters"):
        write_source(tmp_path, name, "p", change_pair().scenes)


def test_a_scene_that_does_not_fit_registers_nothing(tmp_path):
    with pytest.raises(BadScene):
        write_source(tmp_path, "s", "p", change_pair().scenes, encodings={"after": Encoding("uint8", 1e-9)})
    assert read_sources(tmp_path) == ()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_killed_write_registers_nothing_and_is_cleared_away(folder, monkeypatch):
    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "write_text", killed)  # the last step, after the pixels are in place
    with pytest.raises(KeyboardInterrupt):
        write_source(folder, "s2", "p", change_pair().scenes)
    monkeypatch.undo()
    (folder / ".s3.0123.part").mkdir()
    assert [source.id for source in read_sources(folder)] == ["s0", "s1"]
    finish(folder, "toy")
    assert sorted(path.name for path in (folder / "scenes").iterdir()) == ["s0", "s1"]
    verify_manifest(folder)


def test_writing_a_source_again_replaces_it(folder):
    write_source(folder, "s0", "hill", {"image": change_pair(seed=7).before})
    source = read_sources(folder)[0]
    assert (source.place, list(source.files)) == ("hill", ["image"])
    assert np.array_equal(read_scene(source.files["image"]).array, change_pair(seed=7).before.array)
