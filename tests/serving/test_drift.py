from __future__ import annotations

import logging

import numpy as np
import pytest

from serving.drift import InputStatistics, read_statistics
from tests.deployment.toy import scene


def test_each_band_of_each_input_is_a_row(client, pair, run, tmp_path, slots):
    client.post("/change", files=pair, headers={"X-Request-Id": "abc"})
    rows = read_statistics(tmp_path / "inputs.sqlite", run)
    assert [(row.input, row.band) for row in rows] == [
        ("before", "B04"), ("before", "B08"), ("after", "B04"), ("after", "B08")
    ]  # fmt: skip
    after = rows[2]
    assert (after.run, after.version, after.request) == (run, slots.current(run).id, "abc")
    assert (after.mean, after.std, after.q02, after.q98) == pytest.approx((0.3, 0.2, 0.1, 0.5), abs=1e-6)
    assert read_statistics(tmp_path / "inputs.sqlite", run, since_s=after.time_s + 1) == ()


def test_nodata_is_a_share_and_enters_no_number(tmp_path):
    holed = scene(0.2)
    holed.array[:, :10] = np.nan
    InputStatistics(tmp_path / "s").add("r", "v", {"x": holed, "y": scene(float("nan"))})
    rows = read_statistics(tmp_path / "s", "r")
    assert (rows[0].nodata_share, rows[0].mean, rows[0].std) == pytest.approx((0.25, 0.2, 0.0), abs=1e-6)
    assert rows[2].nodata_share == 1.0
    assert np.isnan([rows[2].mean, rows[2].q50]).all()


def test_the_file_is_bounded(tmp_path):
    kept = InputStatistics(tmp_path / "s", kept=100)
    many = {f"i{number}": scene(bands=("B04",)) for number in range(50)}
    for _ in range(45):
        kept.add("r", "v", many)
    assert len(read_statistics(tmp_path / "s", "r")) <= 100 + 1000


def test_a_disk_that_takes_nothing_fails_no_request(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        InputStatistics(tmp_path / "file" / "s").add("r", "v", {"x": scene()})
    assert "statistics of inputs were not kept" in caplog.text


def test_nothing_kept_yet_is_nothing(tmp_path):
    assert read_statistics(tmp_path / "none", "r") == ()
