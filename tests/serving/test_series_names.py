"""What names of uploaded files say, and how little they may cost."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from serving.errors import WrongForm
from serving.series.names import LONGEST_NAME, said_by_names


def said(name, pattern=None):
    (found,) = said_by_names([name], pattern)
    return found


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("S1A_IW_20230103T015910Z_VV.tif", None, (datetime(2023, 1, 3, 1, 59, 10, tzinfo=UTC), "VV", "", None)),
        ("scene-2023-01-03.TIFF", None, (datetime(2023, 1, 3, tzinfo=UTC), None, "", None)),
        ("vh_rel64_2023_01_03.img", "{band}_rel{orbit}_{date}.img", (datetime(2023, 1, 3, tzinfo=UTC), "VH", "", "64")),
        ("x.20230103.IW2.tif", "*.{date}.{part}.tif", (datetime(2023, 1, 3, tzinfo=UTC), None, "IW2", None)),
        ("a+b(20230103).tif", "a+b({date}).tif", (datetime(2023, 1, 3, tzinfo=UTC), None, "", None)),
    ],
)
def test_date_band_part_and_orbit_are_read(name, pattern, expected):
    found = said(name, pattern)
    assert (found.time, found.band, found.part, found.orbit) == expected


def test_opera_names_say_everything():
    name = "OPERA_L2_RTC-S1_T137-292320-IW1_20230103T015910Z_20240101T000000Z_S1A_30_v1.0_VH.tif"
    found = said(name)
    assert (found.time.hour, found.band, found.part, found.orbit) == (1, "VH", "292320-IW1", "137")
    with pytest.raises(WrongForm, match=r"OPERA RTC-S1, as other names of this form, found .b_20230103\.tif"):
        said_by_names([name, "b_20230103.tif"])


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "{band}.tif", "{date}{date}", "{date}{day}", "{date}***", "{date}*{part}*", "{date}" + 200 * "x"],
)
def test_a_template_that_is_none_is_refused_with_an_example(pattern):
    with pytest.raises(WrongForm, match=r"an example is S1_\{date\}_\{band\}\.tif"):
        said("S1_20230103.tif", pattern)


@pytest.mark.parametrize("pattern", [r"(a+)+{date}", r"[0-9]{date}", r"(?P<x>.){date}"])
def test_a_regular_expression_is_taken_literally(pattern):
    with pytest.raises(WrongForm, match="expected file names with the pattern"):
        said("aaaaaaaa20230103.tif", pattern)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("2" * LONGEST_NAME, None),
        ("20230103" * 16, None),
        ("_VV_20230103" * 10, None),
        ("20230103" * 16, "*{part}{date}{orbit}x"),
        ("-" * LONGEST_NAME, "*{part}{date}"),
    ],
)
def test_no_name_takes_long(name, pattern):
    began = time.perf_counter()
    with pytest.raises(WrongForm):
        said_by_names([name[:LONGEST_NAME]], pattern)
    assert time.perf_counter() - began < 0.1
