"""Open raster files: one handle per thread and process, a bounded block cache, no look at sibling files."""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from components.errors import BadScene
from components.raster.header import SceneInfo, header_of

CACHE_BYTES = 128 * 1024**2  # GDAL's default is 5 % of the RAM for every process; this is for all its threads together
HANDLES = 16  # open files a thread keeps; enough for the pairs of a batch, far below any limit on descriptors
# The first bytes decide which one driver may open a file. Only formats that hold their own pixels: a VRT, whatever
# it is called, names other files.
_MAGIC = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\0\0\0\x0cjP": "JP2OpenJPEG",
}

_local = threading.local()
_opening = threading.Lock()
_cache_bytes = [CACHE_BYTES]  # the limit in force; the last entry counts


@dataclass(frozen=True)
class OpenRaster:
    """An open dataset with its header; ``signature`` tells whether the file behind its name is still the same."""

    dataset: Any  # rasterio ships no types
    info: SceneInfo
    signature: tuple[int, ...]


class _Handles:
    """The open files of one thread, least recently used first."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.open: OrderedDict[str, OpenRaster] = OrderedDict()
        # Entered for the life of the thread: GDAL forgets these options when an Env is left, and entering one
        # takes as long as reading a small window.
        self.env = rasterio.Env(
            GDAL_CACHEMAX=_cache_bytes[-1], GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"
        )
        self.env.__enter__()

    def drop(self, name: str) -> None:
        known = self.open.pop(name, None)
        if known is not None:
            known.dataset.close()


def handles() -> _Handles:
    """The open files of this thread; a forked child starts without those of its parent."""
    found: _Handles | None = getattr(_local, "handles", None)
    if found is None or found.pid != os.getpid():
        found = _local.handles = _Handles()
    return found


@contextmanager
def block_cache(limit: int) -> Iterator[None]:
    """GDAL's cache of decoded blocks held to so many bytes for the length of the block, in all threads together."""
    handles()  # this thread's options first: they would set the limit again
    _cache_bytes.append(limit)
    try:
        with rasterio.Env(GDAL_CACHEMAX=limit):
            yield
    finally:
        _cache_bytes.remove(limit)


def opened(path: Path) -> OpenRaster:
    """An open file of this thread; opened again when the file was replaced.

    Raises:
        BadScene: if there is no such file, or it is empty or not a raster.
    """
    own, name = handles(), os.fspath(path)
    try:
        status = os.stat(name)  # noqa: PTH116 - this runs for every window, and a Path takes longer to make
    except OSError as error:
        own.drop(name)
        raise BadScene(path, f"the file cannot be opened ({error.strerror})", "check the path") from error
    signature = (status.st_ino, status.st_size, status.st_mtime_ns)
    known = own.open.get(name)
    if known is not None and known.signature == signature:
        own.open.move_to_end(name)
        return known
    own.drop(name)
    dataset = open_file(path)
    own.open[name] = fresh = OpenRaster(dataset, header_of(dataset, path), signature)
    if len(own.open) > HANDLES:
        own.drop(next(iter(own.open)))
    return fresh


def open_file(path: Path) -> Any:  # noqa: ANN401 - rasterio ships no types
    """A freshly opened dataset that the caller closes.

    Raises:
        BadScene: if the file is missing, empty, damaged, or of a format that is not read here.
    """
    handles()
    driver = _driver(path)
    try:
        # A pixel grid is a legal thing here: no warning. The filter list is shared by all threads, hence the lock.
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path.absolute(), driver=driver, sharing=False)
    except RasterioIOError as error:
        raise BadScene(path, f"the {driver} file is truncated or damaged", "fetch it again") from error


def driver_of(head: bytes) -> str | None:
    """The GDAL driver for a file that begins with ``head``; None for a format that is not read here."""
    return next((driver for magic, driver in _MAGIC.items() if head.startswith(magic)), None)


def close_handles() -> None:
    """Every file that this thread holds open is closed."""
    own = handles()
    for name in list(own.open):
        own.drop(name)


def forget(path: Path) -> None:
    """The handle of one file of this thread is closed."""
    handles().drop(os.fspath(path))


def _driver(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BadScene(path, f"the file cannot be opened ({error.strerror})", "check the path") from error
    if not head:
        raise BadScene(path, "the file is empty", "fetch it again")
    driver = driver_of(head)
    if driver is None:
        raise BadScene(path, "the file is no TIFF, PNG, JPEG or JPEG 2000", "convert it with gdal_translate")
    return driver
