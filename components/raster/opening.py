"""Files from strangers: every promise of the header is checked before the first pixel is decoded.

Accepted: GeoTIFF with or without CRS, NaN pixels, infinite pixels (they become NaN).
Refused: everything that is not a TIFF by its first bytes (a VRT named .tif, inline XML, archives), complex numbers,
rotated and south-up grids, ground control points without a grid, grids across the antimeridian or beyond a pole,
sizes beyond the limits, bombs, damage. Each refusal of a size names what was found, the limit and its setting.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError  # what some properties of a damaged dataset raise; no public name
from rasterio.errors import RasterioError

from components.errors import BadScene
from components.raster.directory import check_directories, too_many_bands
from components.raster.grid import Grid
from components.raster.handles import driver_of, open_file
from components.raster.header import SceneInfo, header_of
from components.raster.io import scene_from
from components.raster.limits import OpenLimits
from components.raster.scene import Scene

__all__ = ["OpenLimits", "inspected", "open_untrusted", "private_copy"]

TYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
_CODECS = frozenset({"", "deflate", "lzw", "packbits", "zstd", "lzma", "jpeg"})
_KINDS = {"GTiff": "TIFF", "PNG": "PNG", "JPEG": "JPEG", "JP2OpenJPEG": "JPEG 2000"}


def open_untrusted(source: Path | bytes, limits: OpenLimits | None = None, *, name: str = "upload") -> Scene:
    """The scene in bytes from outside (or a file of them), decoded as `read_scene` does, in this process.

    The same checks as `components.raster.decoding.DecoderPool`, which is for services: it also survives a parser
    that crashes or never ends. ``name`` stands in messages and is never used as a path.

    Raises:
        BadScene: with one sentence on what is wrong and what to do.
    """
    limits = limits or OpenLimits()
    with private_copy(source, limits, name) as file, inspected(file.fileno(), limits, name) as (dataset, info):
        scene = scene_from(dataset, info, None, None, True)
    without_infinity(scene.array)  # our own fresh array
    return scene


def without_infinity(array: Any) -> None:  # noqa: ANN401 - an array of any type
    """Infinite numbers of an array become NaN, in place."""
    if np.issubdtype(array.dtype, np.inexact):
        array[np.isinf(array)] = np.nan


@contextmanager
def private_copy(source: Path | bytes, limits: OpenLimits, name: str) -> Iterator[BinaryIO]:
    """The bytes as an open file: without a name where they came as bytes, so that nothing can lie beside it.

    A path must be that of a regular file; a link is not followed.

    Raises:
        BadScene: if size or first bytes are not those of a file that is opened here.
    """
    with tempfile.TemporaryFile() if isinstance(source, bytes) else _regular(source, name) as file:
        size = len(source) if isinstance(source, bytes) else os.fstat(file.fileno()).st_size
        if size == 0:
            raise BadScene(name, "the file is empty", "send the bytes of a GeoTIFF")
        _check_head(source[:8] if isinstance(source, bytes) else file.read(8), size, limits, name)
        if isinstance(source, bytes):
            file.write(source)
            file.flush()
        yield file


@contextmanager
def inspected(descriptor: int, limits: OpenLimits, name: str) -> Iterator[tuple[Any, SceneInfo]]:
    """The dataset in an open file with its header, once everything it promises was found acceptable.

    It is opened by a name that has no siblings.

    Raises:
        BadScene: if it is refused, and for whatever GDAL meets while it is open.
    """
    try:
        if driver_of(os.pread(descriptor, 8, 0)) == "GTiff":
            check_directories(descriptor, limits, name)
        with (
            rasterio.Env(GDAL_GEOREF_SOURCES="INTERNAL", GDAL_NUM_THREADS="1"),
            open_file(Path(f"/dev/fd/{descriptor}")) as dataset,
        ):
            yield dataset, _checked(dataset, os.fstat(descriptor).st_size, limits, name)
    except BadScene as error:
        raise BadScene(name, error.reason, error.remedy) from error
    except (RasterioError, CPLE_BaseError, UnicodeError) as error:
        raise BadScene(name, "the file is truncated or damaged", "send it again") from error


def _regular(source: Path, name: str) -> BinaryIO:
    try:
        # Neither a link is followed, nor a pipe waited for.
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if source.is_symlink():
            raise BadScene(name, "a link, not a regular file; links are not followed", "put the file there") from error
        raise BadScene(name, f"not a regular file that can be read ({error.strerror})", "send a GeoTIFF") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BadScene(name, "not a regular file", "send the bytes of a GeoTIFF")
    file = os.fdopen(descriptor, "rb")
    if status.st_uid == os.geteuid() or status.st_mode & stat.S_IROTH:
        return file
    # A child has no privilege: what root may read here it could not open there.
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with file:
        shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


def _check_head(head: bytes, size: int, limits: OpenLimits, name: str) -> None:
    if driver_of(head) not in limits.formats:
        kinds = " or ".join(_KINDS.get(each, each) for each in limits.formats)
        raise BadScene(name, f"the first bytes are not those of a {kinds}", "send a GeoTIFF")
    if size > limits.file_bytes:
        reason = f"{size} bytes, at most {limits.file_bytes} are accepted"
        raise BadScene(name, reason, limits.remedy("file_bytes"))


def _checked(dataset: Any, size: int, limits: OpenLimits, name: str) -> SceneInfo:  # noqa: ANN401
    _check_bands(dataset, limits, name)
    _check_size(dataset, size, limits, name)
    _check_kind(dataset, name)
    info = header_of(dataset, name)
    _check_meaning(info, name)
    _check_metadata(info, limits, name)
    return info


def _check_bands(dataset: Any, limits: OpenLimits, name: str) -> None:  # noqa: ANN401
    """First of all: everything else takes its time for each band."""
    if dataset.count == 0:
        raise BadScene(name, "no bands", "send a GeoTIFF with pixels")
    if dataset.count > limits.bands:
        raise too_many_bands(dataset.count, limits, name)


def _check_size(dataset: Any, size: int, limits: OpenLimits, name: str) -> None:  # noqa: ANN401
    rows, cols, count = dataset.height, dataset.width, dataset.count
    item = max((np.dtype(t).itemsize for t in dataset.dtypes if t in TYPES), default=16)
    decoded, memory = rows * cols * count * item, rows * cols * count * max(item, 4)
    block_rows, block_cols = dataset.block_shapes[0]
    block = block_rows * block_cols * item * (count if holds_all_bands(dataset) else 1)
    blocks = -(-rows // block_rows) * -(-cols // block_cols) * count
    asked = (
        ("edge_px", "pixels along an edge", max(rows, cols)),
        ("pixels", "pixels", rows * cols),
        ("decoded_bytes", "bytes once decoded", memory),
        ("block_bytes", "bytes in one block", block),
        ("blocks", "blocks", blocks),
    )
    for limit, what, found in asked:
        most = getattr(limits, limit)
        if found > most:
            raise BadScene(name, f"{found} {what}, at most {most} are accepted", limits.remedy(limit))
    if max(decoded, block) > max(limits.free_bytes, limits.ratio * size):
        reason = f"{size} bytes that decode to {max(decoded, block)}, at most {limits.ratio:g} times are accepted"
        raise BadScene(name, reason, limits.remedy("ratio", "send a file that is not a bomb"))


def holds_all_bands(dataset: Any) -> bool:  # noqa: ANN401
    """True where one block of the file holds all bands."""
    return bool(dataset.profile.get("interleave") == "pixel")


def _check_kind(dataset: Any, name: str) -> None:  # noqa: ANN401
    strange = sorted(set(dataset.dtypes) - TYPES)
    if strange:
        raise BadScene(name, f"numbers of type {', '.join(strange)}", "send integers or real numbers")
    codec = str(dataset.profile.get("compress", "")).lower()
    if dataset.driver == "GTiff" and codec not in _CODECS:
        raise BadScene(name, f"compression {codec} is not accepted", "use deflate, lzw or zstd")
    if dataset.subdatasets:
        raise BadScene(name, "several pictures in one file", "send one GeoTIFF a scene")
    if dataset.gcps[0] and dataset.crs is None:
        raise BadScene(name, "ground control points but no grid", "warp it with gdalwarp first")


def _check_meaning(info: SceneInfo, name: str) -> None:
    if not all(isfinite(number) for number in (*info.scales, *info.offsets)) or 0.0 in info.scales:
        raise BadScene(name, "a scale or offset that is no number", "mend the metadata")
    t = info.grid.transform
    if not all(isfinite(number) for number in tuple(t)[:6]) or t.determinant == 0:
        raise BadScene(name, "a transform that places all pixels on one line", "mend the georeference")
    if (t.b, t.d) != (0.0, 0.0):
        raise BadScene(name, "a rotated grid", "warp it north-up with gdalwarp")
    if info.grid.crs is None:
        return
    if t.a < 0 or t.e > 0:
        raise BadScene(name, "a grid that is not north-up", "warp it north-up with gdalwarp")
    _check_place(info.grid, name)


def _check_metadata(info: SceneInfo, limits: OpenLimits, name: str) -> None:
    texts = (*info.bands, *info.tags.keys(), *info.tags.values(), *(each.name for each in info.classes))
    found = sum(len(text.encode()) for text in texts) + (len(info.grid.crs.to_wkt()) if info.grid.crs else 0)
    if found > limits.metadata_bytes:
        reason = f"{found} bytes of names and tags, at most {limits.metadata_bytes} are accepted"
        raise BadScene(name, reason, limits.remedy("metadata_bytes", "remove tags"))


def _check_place(grid: Grid, name: str) -> None:
    if grid.crs is None or not grid.crs.is_geographic:
        return
    west, south, east, north = grid.bounds
    slack = abs(grid.transform.a)  # global products overhang by up to a pixel
    if west < -180 - slack or east > 180 + slack:
        raise BadScene(name, "the grid crosses the antimeridian", "cut it at 180 degrees and send two files")
    if south < -90 - slack or north > 90 + slack:
        raise BadScene(name, "the grid lies beyond a pole", "mend the georeference")
