"""Files from strangers: their bytes in a private file, opened by the one driver that their first bytes allow.

Everything that is not a TIFF by its first bytes is refused (a VRT named .tif, inline XML, archives); what the header
of a TIFF may promise stands in `components.raster.acceptance`.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError  # what some properties of a damaged dataset raise; no public name
from rasterio.errors import RasterioError

from components.errors import BadScene
from components.raster.acceptance import require_acceptable
from components.raster.directory import check_directories
from components.raster.handles import driver_of, open_file
from components.raster.header import SceneInfo
from components.raster.io import scene_from
from components.raster.limits import OpenLimits
from components.raster.scene import Scene

__all__ = ["OpenLimits", "inspected", "open_untrusted", "private_copy"]

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
            yield dataset, require_acceptable(dataset, os.fstat(descriptor).st_size, limits, name)
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
