"""Files that a sceptic would send, each made by code, with the words that its refusal must hold."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from tests.scenes import UTM31, WGS84

SHORT, LONG = 3, 4
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
OFFSETS, SAMPLES, ROWS_PER_STRIP, COUNTS, PLANAR = 273, 277, 278, 279, 284
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_900_000)

VRT = b"""<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"
subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename>
</VRTRasterBand></VRTDataset>"""


def tiff(pixels: bytes = b"\1" * 64, next_ifd: int = 0, **changes: int | tuple[int, ...] | None) -> bytes:
    """A classic TIFF of 8 x 8 bytes written field by field; ``changes`` replace fields, None leaves one out."""
    fields: dict[int, tuple[int, tuple[int, ...]]] = {
        WIDTH: (LONG, (8,)), LENGTH: (LONG, (8,)), BITS: (SHORT, (8,)), COMPRESSION: (SHORT, (1,)),
        PHOTOMETRIC: (SHORT, (1,)), OFFSETS: (LONG, (8,)), SAMPLES: (SHORT, (1,)), ROWS_PER_STRIP: (LONG, (8,)),
        COUNTS: (LONG, (64,)), PLANAR: (SHORT, (1,)),
    }  # fmt: skip
    for name, value in changes.items():
        tag = globals()[name.upper()]
        kind = fields[tag][0]
        fields.pop(tag) if value is None else fields.update(
            {tag: (kind, value if isinstance(value, tuple) else (value,))}
        )
    at = 8 + len(pixels)
    extra_at, extra, entries = at + 2 + 12 * len(fields) + 4, b"", b""
    for tag, (kind, values) in sorted(fields.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values)
        if len(packed) > 4:
            inline, extra = struct.pack("<I", extra_at + len(extra)), extra + packed
        else:
            inline = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + inline
    head = b"II*\0" + struct.pack("<I", at)
    return head + pixels + struct.pack("<H", len(fields)) + entries + struct.pack("<I", next_ifd) + extra


def sparse(rows: int, cols: int, count: int = 1, dtype: str = "uint8", **options: object) -> bytes:
    """A GeoTIFF into which no pixel was written."""
    profile = {"crs": UTM31, "transform": NORTH_UP, "SPARSE_OK": True, "tiled": True, **options}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=rows, width=cols, count=count, dtype=dtype, **profile):
            pass
        return bytes(memory.read())


def whole(array: np.ndarray, **options: object) -> bytes:
    """A GeoTIFF of ``(band, row, col)``."""
    profile = {"crs": UTM31, "transform": NORTH_UP, **options}
    count, rows, cols = array.shape
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=rows, width=cols, count=count, dtype=array.dtype, **profile) as file:
            file.write(array)
        return bytes(memory.read())


def truncated() -> bytes:
    """A file that ends in the middle of its pixels."""
    content = whole(np.random.default_rng(0).random((2, 300, 300), np.float32), compress="deflate")
    return content[: len(content) // 2]


def zip_with_link() -> bytes:
    """An archive whose one entry is a symbolic link."""
    link = zipfile.ZipInfo("scene.tif")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with io.BytesIO() as memory:
        with zipfile.ZipFile(memory, "w") as archive:
            archive.writestr(link, "/etc/passwd")
        return memory.getvalue()


def several_pictures() -> bytes:
    """A TIFF of two pages that share their pixels."""
    return tiff(next_ifd=len(tiff())) + tiff()[72:]


def refused() -> Mapping[str, tuple[bytes, str]]:
    """Name -> content, and what the refusal says."""
    return {
        "nothing": (b"", "empty"),
        "a VRT named .tif": (VRT, "first bytes"),
        "a VRT behind the first bytes of a TIFF": (b"II*\0" + VRT, "truncated or damaged"),
        "a VSI name": (b"/vsicurl/http://169.254.169.254/latest/meta-data", "first bytes"),
        "a file URL": (b"file:///etc/passwd", "first bytes"),
        "a ZIP with a link": (zip_with_link(), "first bytes"),
        "a sparse bomb": (sparse(200_000, 200_000, 4, "float32", BIGTIFF="YES"), "edge"),
        "a sparse bomb below the edge limit": (sparse(8000, 8000), "bomb"),
        "one block of 16384 x 16384": (sparse(64, 64, 1, "float32", blockxsize=16384, blockysize=16384), "one block"),
        "ten blocks of 16384 x 16384": (
            sparse(16384, 16384, 10, "float32", blockxsize=16384, blockysize=16384), "pixels"),
        "one row of 1e9": (tiff(width=10**9, length=1, compression=8), "edge"),
        "one column of 1e9": (tiff(width=1, length=10**9, compression=8), "edge"),
        "65535 bands": (tiff(b"\1" * 65535, samples=65535, width=1, length=1, counts=65535), "65535 bands"),
        "no bands": (tiff(samples=0), "no size"),
        "no width": (tiff(width=0), "no size"),
        "complex numbers": (sparse(16, 16, 1, "complex64"), "complex64"),
        "truncated": (truncated(), "truncated"),
        "byte counts too large": (tiff(counts=2**31), "beyond its end"),
        "byte counts too small": (tiff(counts=10), "10 bytes where 64 are needed"),
        "byte counts of nothing": (tiff(rows_per_strip=4, offsets=(8, 40), counts=(32, 0)), "0 bytes where 32"),
        "byte counts too small for what is compressed": (cut_short(), "damaged"),
        "offsets beyond the end": (tiff(offsets=2**31), "beyond its end"),
        "no offsets": (tiff(offsets=None, counts=None), "0 have a place"),
        "a first directory beyond the end": (b"II*\0" + struct.pack("<I", 2**31) + b"\0" * 50, "damaged"),
        "a directory that names itself": (tiff(next_ifd=72), "comes after itself"),
        "directories in a circle": (circle(), "comes after itself"),
        "a directory of 65535 entries": (b"II*\0" + struct.pack("<IH", 8, 65535) + b"\0" * 50, "of 65535 entries"),
        "JPEG that is none": (tiff(compression=7), "damaged"),
        "two pages": (several_pictures(), "several pictures"),
        "south-up": (whole(np.ones((1, 8, 8), np.uint8), transform=Affine(10, 0, 0, 0, 10, 0)), "north-up"),
        "rotated": (whole(np.ones((1, 8, 8), np.uint8), transform=Affine(10, 1, 0, 1, -10, 0)), "rotated"),
        "across the antimeridian": (
            whole(np.ones((1, 8, 32), np.uint8), crs=WGS84, transform=Affine(0.1, 0, 179, 0, -0.1, 0)), "antimeridian"),
        "beyond the pole": (
            whole(np.ones((1, 8, 8), np.uint8), crs=WGS84, transform=Affine(0.1, 0, 0, 0, -0.1, 92)), "pole"),
        "a megabyte of tags": (tagged("x" * 2**20), "names and tags"),
    }  # fmt: skip


def tagged(text: str) -> bytes:
    """A GeoTIFF with a tag."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=8, width=8, count=1, dtype="uint8", crs=UTM31, transform=NORTH_UP) as f:
            f.write(np.ones((1, 8, 8), np.uint8))
            f.update_tags(NOTE=text)
        return bytes(memory.read())


def circle() -> bytes:
    """A TIFF of two pages, the second of which names the first as the next one."""
    return tiff(next_ifd=len(tiff())) + tiff(next_ifd=72)[72:]


def cut_short() -> bytes:
    """A compressed strip of which the directory names a few bytes only."""
    content = whole(np.random.default_rng(0).integers(0, 255, (1, 64, 64)).astype(np.uint8), compress="deflate")
    with MemoryFile(content) as memory, memory.open() as file:
        size = int(file.get_tag_item("BLOCK_SIZE_0_0", "TIFF", 1))
    counts = struct.pack("<HHI", COUNTS, LONG, 1)
    at = content.index(counts) if counts in content else content.index(struct.pack("<HHI", COUNTS, SHORT, 1))
    assert size in struct.unpack("<HH", content[at + 8 : at + 12])
    return content[: at + 8] + struct.pack("<I", 100) + content[at + 12 :]
