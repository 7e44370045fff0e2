"""Source folders come from outside: what would harm is left out by name, and the rest comes in."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from components.errors import ServiceUnavailable
from components.ingestion.__main__ import main
from components.ingestion.ingest import ingest
from components.raster import child
from components.settings import Settings
from tests.ingestion.folders import declare, source_folder
from tests.raster import hostile

CASES = {
    "a VRT": (hostile.VRT, "first bytes"),
    "a bomb": (hostile.sparse(64, 64, 2, "float32", blockxsize=16384, blockysize=16384), "in one block"),
    "a truncated file": (hostile.truncated(), "truncated"),
    "a rotated grid": (hostile.refused()["rotated"][0], "rotated"),
    "a south-up grid": (hostile.refused()["south-up"][0], "not north-up"),
    "a grid across 180 degrees": (hostile.refused()["across the antimeridian"][0], "crosses the antimeridian"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_source_is_quarantined_with_the_reason_and_the_rest_comes_in(tmp_path, case):
    content, reason = CASES[case]
    folder, dataset = source_folder(tmp_path), declare(tmp_path)
    (folder / "post" / "b_2.tif").write_bytes(content)
    report = ingest(folder, dataset)
    assert report.ingested == ("a_1", "c_3")
    assert [each.name for each in report.quarantined] == ["b_2"]
    assert report.quarantined[0].reason.startswith("post/b_2.tif: ")
    assert reason in report.quarantined[0].reason


def test_a_link_in_a_source_folder_is_not_followed(tmp_path):
    folder, dataset = source_folder(tmp_path), declare(tmp_path)
    (folder / "post" / "b_2.tif").rename(tmp_path / "elsewhere.tif")
    (folder / "post" / "b_2.tif").symlink_to(tmp_path / "elsewhere.tif")
    report = ingest(folder, dataset)
    assert "links are not followed" in report.quarantined[0].reason


def test_a_decoder_that_cannot_start_is_not_taken_for_bad_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(child.decoder, "__name__", "components.no.such.module")
    with pytest.raises(ServiceUnavailable):
        ingest(source_folder(tmp_path), declare(tmp_path))


def test_the_limits_of_the_settings_reach_the_command_and_name_their_setting(tmp_path):
    limits = Settings(project=tmp_path, max_large_edge_px=23).ingest_limits
    folder, dataset = source_folder(tmp_path), declare(tmp_path, max_lost=1.0)
    arguments = ["toy", str(folder), "--root", str(tmp_path), "--limits", json.dumps(asdict(limits))]
    assert main(arguments) == 0
    lost = json.loads((dataset / "raw" / "quarantine.json").read_text())["quarantined"]
    assert len(lost) == 3
    assert "24 pixels along an edge, at most 23 are accepted" in lost[0]["reason"]
    assert "raise SWATH_MAX_LARGE_EDGE_PX" in lost[0]["reason"]
