"""Windows through `read_scene` against plain rasterio on a file that it holds open: same windows, same numbers.

Rows: random chips of 96 px from a scene that was just opened (its tiles are decoded once, as in a pass over many
scenes), and tiles of 512 px that already lie decoded in GDAL's cache, where nothing but our own work differs. That
is about 25 microseconds a window, whatever its size: small windows that lie in the cache reach 0.85.
Times are those of the processor, not of the clock on the wall: what else runs on the machine is not measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window as RasterioWindow

from components.raster.cog import Encoding, write_scene
from components.raster.grid import Grid, Window
from components.raster.handles import close_handles
from components.raster.io import describe, read_scene
from components.raster.scene import Array, Scene

LIMIT = 0.90
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
EDGE_PX, PASSES, TRIES = 1024, 9, 25
ENCODING = Encoding("uint16", scale=1e-4, offset=-0.1, nodata=0)

Read = Callable[[Window], Any]


def measure() -> list[dict[str, Any]]:
    """One row a comparison: rate through `read_scene` as a fraction of plain rasterio's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.tif"
        _write(path)
        rows = [
            ("chips of 96 px, just opened, stored numbers", _first_pass(path, decode=False)),
            ("chips of 96 px, just opened, values with NaN", _first_pass(path, decode=True)),
            ("tiles of 512 px, in cache, stored numbers", _in_cache(path, decode=False)),
            ("tiles of 512 px, in cache, values with NaN", _in_cache(path, decode=True)),
        ]
    return [{"name": name, "value": round(value, 3), "limit": LIMIT, "unit": "of rasterio"} for name, value in rows]


def _first_pass(path: Path, *, decode: bool) -> float:
    """Whole passes in turn, each on a file that was just opened."""
    chips = list(_windows(96, 100))
    ours, plain = np.empty((2, PASSES, len(chips)))
    for number in range(PASSES):
        for read_ours in (True, False) if number % 2 else (False, True):
            close_handles()
            with _reader(path, read_ours, decode) as read:
                (ours if read_ours else plain)[number] = [_seconds(read, chip) for chip in chips]
    return _ratio(plain, ours)


def _in_cache(path: Path, *, decode: bool) -> float:
    """Both readers in turn on each window, after each has read it once."""
    tiles = list(_windows(512, 10))
    ours, plain = np.empty((2, TRIES, len(tiles)))
    with _reader(path, True, decode) as read_ours, _reader(path, False, decode) as read_plain:
        for column, tile in enumerate(tiles):
            read_ours(tile), read_plain(tile)
            for number in range(TRIES):
                ours[number, column] = _seconds(read_ours, tile)
                plain[number, column] = _seconds(read_plain, tile)
    return _ratio(plain, ours)


def _ratio(plain: Array, ours: Array) -> float:
    """Rates: of each window the median try counts."""
    return float(np.median(plain, axis=0).sum() / np.median(ours, axis=0).sum())


@contextmanager
def _reader(path: Path, ours: bool, decode: bool) -> Iterator[Read]:
    """A function that reads a window of a file that is open already."""
    if ours:
        describe(path)
        yield lambda window: read_scene(path, window=window, decode=decode)
    else:
        with rasterio.open(path) as dataset:
            yield _plain_decoded(dataset) if decode else _plain(dataset)


def _write(path: Path) -> None:
    rng = np.random.default_rng(0)
    array = rng.random((len(BANDS), EDGE_PX, EDGE_PX), dtype=np.float32)
    array[:, :50, :50] = np.nan
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 500000, 0, -10, 5000000), (EDGE_PX, EDGE_PX))
    write_scene(Scene(array, grid, BANDS, "reflectance", float("nan")), path, ENCODING)


def _plain(dataset: Any) -> Read:  # noqa: ANN401 - rasterio ships no types
    def read(window: Window) -> Array:
        pixels: Array = dataset.read(window=RasterioWindow(window.col, window.row, window.cols, window.rows))
        return pixels

    return read


def _plain_decoded(dataset: Any) -> Read:  # noqa: ANN401
    """What a careful user writes by hand: float32 values, NaN for nodata."""
    plain = _plain(dataset)

    def read(window: Window) -> Array:
        stored = plain(window)
        values: Array = stored.astype(np.float32) * np.float32(ENCODING.scale) + np.float32(ENCODING.offset)
        values[stored == ENCODING.nodata] = np.nan
        return values

    return read


def _seconds(read: Read, window: Window) -> float:
    start = time.thread_time()
    read(window)
    return time.thread_time() - start


def _windows(edge: int, count: int) -> Iterator[Window]:
    rng = np.random.default_rng(1)
    for row, col in rng.integers(0, EDGE_PX - edge, (count, 2)).tolist():
        yield Window(row, col, edge, edge)


if __name__ == "__main__":
    for found in measure():
        print(found)
