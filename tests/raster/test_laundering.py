from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import psutil
import pytest
import rasterio
from rasterio.windows import Window

from components.errors import BadScene
from components.raster.cog import Encoding, write_scene
from components.raster.decoding import DecoderPool, OpenLimits
from components.raster.io import describe, read_scene
from components.raster.parts import Layout, parts
from components.raster.portable import info_as_json, info_from_json
from tests.raster import hostile
from tests.scenes import make_class_map, make_scene

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
MB = 1024**2
RNG = np.random.default_rng(0)


def encoded(tmp_path):
    write_scene(make_scene((600, 700)), tmp_path / "encoded.tif", Encoding("uint16", 1e-4, -0.1, 0))


def class_map(tmp_path):
    write_scene(make_class_map(), tmp_path / "map.tif")


def masked(tmp_path):
    array = RNG.integers(0, 255, (3, 600, 550)).astype(np.uint8)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            tmp_path / "masked.tif", "w", driver="GTiff", height=600, width=550, count=3, dtype="uint8"
        ) as file,
    ):
        file.write(array)
        file.write_mask(array[0] > 100)


def transparent(tmp_path):
    array = RNG.integers(0, 3, (4, 600, 550)).astype(np.uint8)
    (tmp_path / "rgba.tif").write_bytes(hostile.whole(array, photometric="RGB", alpha="YES"))


def striped(tmp_path):
    array = RNG.random((5, 1500, 1100)).astype(np.float32)
    array[:, 7, 7] = np.inf
    (tmp_path / "striped.tif").write_bytes(hostile.whole(array, interleave="pixel", blockysize=3, nodata=np.nan))


def tagged(tmp_path):
    (tmp_path / "tagged.tif").write_bytes(hostile.tagged("ä <x> &amp; = \n line"))


MAKERS = [encoded, class_map, masked, transparent, striped, tagged]


@pytest.mark.parametrize("make", MAKERS)
def test_a_laundered_file_reads_as_the_scene_that_was_sent(decoders, tmp_path, make):
    make(tmp_path)
    (path,) = tmp_path.glob("*.tif")
    info = decoders.launder(path, tmp_path / "clean" / "out.tif", name="x")
    opened, read = decoders.open(path, name="x"), read_scene(tmp_path / "clean" / "out.tif")
    np.testing.assert_array_equal(read.array, opened.array)
    for field in ("grid", "bands", "unit", "acquired", "classes"):
        assert getattr(read, field) == getattr(opened, field), field
    assert dict(read.tags) == dict(opened.tags)
    clean = describe(tmp_path / "clean" / "out.tif")
    assert (clean.block_shape, clean.tiled) == ((512, 512), True)
    assert (clean.dtype, clean.scales, clean.offsets, clean.masked) == (
        info.dtype, info.scales, info.offsets, info.masked,
    )  # fmt: skip
    assert [each.name for each in (tmp_path / "clean").iterdir()] == ["out.tif"]


@pytest.mark.parametrize("make", MAKERS)
def test_a_header_survives_its_way_out_of_the_child(tmp_path, make):
    make(tmp_path)
    (path,) = tmp_path.glob("*.tif")
    assert str(info_from_json(info_as_json(describe(path)))) == str(describe(path))


def test_a_refused_or_broken_file_leaves_nothing_and_keeps_what_was_there(decoders, tmp_path):
    (tmp_path / "out.tif").write_bytes(b"before")
    numbers = RNG.integers(0, 9, (2, 3000, 2000)).astype(np.uint8)
    damaged = bytearray(hostile.whole(numbers, compress="zstd", tiled=True))
    damaged[-20_000:-10_000] = bytes(10_000)
    for content in (hostile.truncated(), bytes(damaged), hostile.VRT):
        with pytest.raises(BadScene):
            decoders.launder(content, tmp_path / "out.tif", name="x")
        assert (tmp_path / "out.tif").read_bytes() == b"before"
        assert [each.name for each in tmp_path.iterdir()] == ["out.tif"]


def test_a_target_that_cannot_be_written_is_an_error_of_the_disk(decoders, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        decoders.launder(hostile.tiff(), tmp_path / "file" / "out.tif", name="x")
    assert decoders.open(hostile.tiff(), name="good").array.shape == (1, 8, 8)


@contextmanager
def highest_memory():
    """Calls of this give the highest memory of this process since it was entered, above what it was then."""
    own, done = psutil.Process(), threading.Event()
    before = own.memory_info().rss
    seen = [before]

    def watch():
        while not done.wait(0.01):
            seen.append(own.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(seen) - before
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_memory_does_not_follow_the_size_of_a_file(tmp_path, interleave):
    """A gigabyte of pixels, nearly all of them empty so that it takes no time to make."""
    shape = {"height": 18_000, "width": 18_000, "count": 3, "dtype": "uint8"}
    options = {"interleave": interleave, "compress": "deflate", "tiled": True, "SPARSE_OK": True}
    with rasterio.open(tmp_path / "large.tif", "w", driver="GTiff", **shape, **options) as file:
        file.write(np.full((3, 10, 10), 5, np.uint8), window=Window(17_000, 9_000, 10, 10))
    limits = OpenLimits(decoded_bytes=4096 * MB, pixels=10**9, ratio=1e9, free_bytes=4096 * MB)
    with DecoderPool(limits, workers=1) as pool, highest_memory() as rise:
        pool.launder(tmp_path / "large.tif", tmp_path / "out.tif", name="x")
        assert rise() < 400 * MB
    assert (tmp_path / "out.tif").stat().st_size < MB
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.read(window=Window(16_999, 8_999, 12, 12)).sum() == 3 * 100 * 5


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("align", [1, 512])
@pytest.mark.parametrize(
    ("shape", "block"),
    [((1, 1), (1, 1)), ((1, 10_000), (1, 10_000)), ((3000, 2000), (1, 2000)), ((3000, 2000), (3000, 2000)),
     ((2000, 3000), (512, 512)), ((2000, 3000), (700, 900)), ((2000, 1500), (16, 16))],
)  # fmt: skip
def test_parts_cover_every_pixel_of_every_band_once(shape, block, align, together):
    seen = np.zeros((3, *shape), np.uint8)
    budget = 3 * 2**20
    for part in parts(Layout(shape, block, 3, 2, together), budget, align):
        rows, cols = part.window.slices
        seen[part.first : part.last, rows, cols] += 1
        assert part.window.row % align == part.window.col % align == 0
        assert np.prod(part.shape) * 2 <= max(budget, align * align * 3 * 2)
    assert (seen == 1).all()


def test_parts_do_not_decode_a_large_block_again_for_each_row_of_tiles():
    order = [part.window for part in parts(Layout((8192, 8192), (4096, 4096), 1, 4, True), 32 * MB, 512)]
    blocks = [(each.row // 4096, each.col // 4096) for each in order]
    assert len([each for each, last in zip(blocks, [None, *blocks], strict=False) if each != last]) == 4
