from pathlib import Path

import pytest

from components.errors import BadParams
from components.ingestion.declaration import read_declaration
from components.ingestion.discovery import discover
from tests.ingestion.folders import DECLARATION, declare, source_folder

FLAT = {
    "kind": "pattern",
    "roles": {"before": "t1", "after": "t2"},
    "name": r"(?P<town>\w+)-(?P<role>t1|t2|t3)\.tif",
    "id": "{town}",
    "place": "{town}",
}


def found(tmp_path, folder, **changes):
    return discover(folder, read_declaration(declare(tmp_path, **changes)))


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_partners_are_found_by_name_with_place_and_properties(tmp_path):
    candidates, quarantined = found(tmp_path, source_folder(tmp_path))
    assert [each.id for each in candidates] == ["a_1", "b_2", "c_3"]
    assert candidates[0].place == "a"
    assert candidates[0].properties == {"swath:event_date": "1"}
    assert set(candidates[0].files) == {"before", "after", "mask"}
    assert quarantined == []


def test_a_missing_partner_is_named(tmp_path):
    folder = source_folder(tmp_path)
    (folder / "masks" / "b_2.tif").unlink()
    candidates, quarantined = found(tmp_path, folder)
    assert [each.id for each in candidates] == ["a_1", "c_3"]
    assert quarantined[0].name == "b_2"
    assert quarantined[0].reason.startswith("no mask of this name")


def test_a_file_of_another_name_is_named_and_side_cars_are_not(tmp_path):
    folder = source_folder(tmp_path)
    touch(folder / "pre", "strange.tif", "a_1.tif.aux.xml", ".hidden.tif")
    _, quarantined = found(tmp_path, folder)
    assert [each.name for each in quarantined] == ["pre/strange.tif"]


def test_a_flat_folder_is_read_by_the_role_in_the_name(tmp_path):
    folder = touch(tmp_path / "flat", "bern-t1.tif", "bern-t2.tif", "bern-t3.tif")
    candidates, quarantined = found(tmp_path, folder, layout=FLAT, properties={})
    assert [each.id for each in candidates] == ["bern"]
    assert [each.name for each in quarantined] == ["bern-t3.tif"]


def test_two_files_for_one_role_are_refused(tmp_path):
    layout = {**DECLARATION["layout"], "id": "{fire}"}
    folder = source_folder(tmp_path, ("a_1", "a_2"))
    candidates, quarantined = found(tmp_path, folder, layout=layout)
    assert candidates == []
    assert "more than one file for after, before, mask" in quarantined[0].reason


def test_an_id_that_is_no_file_name_is_refused(tmp_path):
    _, quarantined = found(tmp_path, source_folder(tmp_path, ("a b_1",)))
    assert "characters other than" in quarantined[0].reason


def test_a_missing_sub_folder_is_named(tmp_path):
    with pytest.raises(BadParams, match="no such folder"):
        found(tmp_path, tmp_path)


def test_files_of_a_tree_are_dated_by_their_own_paths(tmp_path):
    roles = {"before": r"(?P<stem>\w)/(?P<day>\d{8})/t1\.tif", "after": r"(?P<stem>\w)/(?P<day>\d{8})/t2\.tif"}
    layout = {"kind": "tree", "roles": {**roles, "mask": r"(?P<stem>\w)/mask\.tif"}}
    for name in ("a/20240101/t1.tif", "a/20240601/t2.tif", "a/mask.tif"):
        touch((tmp_path / "tree" / name).parent, Path(name).name)
    dates = {"before": "{day}", "after": "{day}"}
    candidates, _ = found(tmp_path, tmp_path / "tree", layout=layout, dates=dates, properties={})
    assert {role: f"{time:%Y-%m-%d}" for role, time in candidates[0].acquired.items()} == {
        "before": "2024-01-01",
        "after": "2024-06-01",
    }
