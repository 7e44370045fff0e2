"""Rows F26, F27 and F29 of what a sceptic tries, through real decoder processes."""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from affine import Affine
from rasterio.crs import CRS

from components.errors import BadScene
from components.raster.limits import OpenLimits
from components.raster.opening import open_untrusted
from tests.raster import hostile
from tests.scenes import WGS84

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
REFUSED = hostile.refused()
MB = 1024**2


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_file_is_refused_quickly_in_one_sentence_without_its_content(decoders, case):
    content, reason = REFUSED[case]
    service = psutil.Process()
    before, start = service.memory_info().rss, time.monotonic()
    with pytest.raises(BadScene) as caught:
        decoders.open(content, name="after")
    assert time.monotonic() - start < 2
    assert service.memory_info().rss - before < 200 * MB
    message = str(caught.value)
    assert re.search(reason, message), message
    assert message.startswith("after: ")
    assert "\n" not in message
    assert not re.search(r"root:|/tmp|/dev/fd|/proc|x{20}", message)


@pytest.mark.parametrize("case", REFUSED)
def test_the_check_in_this_process_says_the_same(decoders, case):
    said = []
    for opened in (decoders.open, open_untrusted):
        with pytest.raises(BadScene) as caught:
            opened(REFUSED[case][0], name="after")
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_the_decoders_outlive_every_hostile_file(decoders):
    decoders.open(hostile.tiff(), name="good")
    before = set(decoders.pids)
    for content, _ in REFUSED.values():
        with pytest.raises(BadScene):
            decoders.open(content, name="after")
    assert set(decoders.pids) & before, "a refusal is no reason to end a process"


@pytest.fixture
def listener():
    """A port of this machine, and what connected to it."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def accept():
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    seen.append(connection.recv(100))

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], seen
        done.set()
        thread.join()


def names(port: int) -> list[str]:
    return [
        hostile.VRT.decode(), f"/vsicurl/http://127.0.0.1:{port}/x.tif", f"http://127.0.0.1:{port}/x.tif",
        f"/vsicurl?url=http://127.0.0.1:{port}/", "/vsizip//etc/passwd", "file:///etc/passwd", "../../../etc/passwd",
        "GTIFF_DIR:1:/etc/passwd", f"WMS:http://127.0.0.1:{port}/", f"/vsis3/bucket/{port}",
        "/vsistdin/",
    ]  # fmt: skip


def test_no_name_is_ever_opened(decoders, listener):
    port, seen = listener
    for name in names(port):
        assert decoders.open(hostile.tiff(), name=name).array.shape == (1, 8, 8)
        with pytest.raises(BadScene):
            decoders.open(Path(name), name="after")
        with pytest.raises(BadScene):
            decoders.open(name.encode(), name="after")
    assert seen == []


@pytest.mark.parametrize("place", ["/etc/passwd", "/dev/zero", "/dev/stdin", "/", "/proc/self/mem", "missing.tif"])
def test_a_path_that_is_no_raster_of_ours_is_refused(decoders, place):
    with pytest.raises(BadScene) as caught:
        decoders.open(Path(place), name="after")
    assert "root:" not in str(caught.value)


def test_a_link_is_not_followed_even_to_a_good_file(decoders, tmp_path):
    (tmp_path / "good.tif").write_bytes(hostile.tiff())
    (tmp_path / "link.tif").symlink_to(tmp_path / "good.tif")
    assert decoders.open(tmp_path / "good.tif", name="good").array.shape == (1, 8, 8)
    with pytest.raises(BadScene, match="not a regular file"):
        decoders.open(tmp_path / "link.tif", name="link")


def test_a_pipe_is_not_waited_for(decoders, tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(BadScene, match="not a regular file"):
        decoders.open(tmp_path / "pipe.tif", name="pipe")


def test_files_beside_an_upload_are_not_looked_at(decoders, tmp_path):
    (tmp_path / "scene.tif").write_bytes(hostile.whole(np.ones((1, 8, 8), np.uint8)))
    (tmp_path / "scene.tif.aux.xml").write_text("<PAMDataset><Metadata><MDI key='A'>b</MDI></Metadata></PAMDataset>")
    (tmp_path / "scene.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    (tmp_path / "scene.tif.msk").write_bytes(hostile.whole(np.zeros((1, 8, 8), np.uint8)))
    opened = decoders.open(tmp_path / "scene.tif", name="scene")
    assert (dict(opened.tags), opened.grid.transform.a) == ({}, 10)
    assert opened.valid.all()


def test_not_a_number_and_infinity_are_no_values(decoders):
    array = np.array([[[1.0, np.inf], [-np.inf, np.nan]]], np.float32)
    opened = decoders.open(hostile.whole(array), name="after")
    assert np.isnan(opened.array).tolist() == [[[False, True], [True, True]]]


def test_bytes_that_are_no_text_in_a_tag_do_no_harm(decoders):
    content = hostile.tagged("@@@@").replace(b"@@@@", b"\xff\xfe\xfd\xfc")
    assert decoders.open(content, name="after").array.shape == (1, 8, 8)


@pytest.mark.parametrize("options", [{"crs": None, "transform": None}, {"crs": CRS.from_epsg(3413)}])
def test_a_picture_without_a_place_and_a_polar_grid_are_accepted(decoders, options):
    opened = decoders.open(hostile.whole(np.ones((1, 8, 8), np.uint8), **options), name="after")
    assert opened.grid.crs == options["crs"]


def test_a_globe_that_overhangs_by_half_a_pixel_is_accepted(decoders):
    globe = Affine(10, 0, -185, 0, -10, 95)
    content = hostile.whole(np.ones((1, 19, 37), np.uint8), crs=WGS84, transform=globe)
    assert decoders.open(content, name="after").grid.shape == (19, 37)


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"file_bytes": 100}, r"\d+ bytes, at most 100 are accepted"),
        ({"edge_px": 7}, "8 pixels along an edge, at most 7"),
        ({"pixels": 63}, "64 pixels, at most 63"),
        ({"bands": 0}, "1 bands, at most 0"),
        ({"decoded_bytes": 255}, "256 bytes once decoded, at most 255"),
        ({"block_bytes": 63}, "64 bytes in one block, at most 63"),
        ({"blocks": 0}, "1 blocks, at most 0"),
        ({"ratio": 0.1, "free_bytes": 0}, r"\d+ bytes that decode to 64, at most 0.1 times"),
        ({"metadata_bytes": 0}, r"\d+ bytes of names and tags, at most 0"),
    ],
)
def test_a_refusal_names_the_value_the_limit_and_the_setting(limits, found):
    (limit, _), *_ = limits.items()
    strict = OpenLimits(**limits, settings={limit: "SWATH_THAT"})
    with pytest.raises(BadScene, match=rf"{found}.*raise SWATH_THAT"):
        open_untrusted(hostile.tiff(b"\1" * 64), strict)
