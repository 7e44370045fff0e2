"""Files from outside through warm decoder processes: what checks and the way out of a child cost.

Times are those of the clock on the wall, as a request meets them; memory is that of this process.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from components.errors import BadScene
from components.raster.cog import Encoding, write_scene
from components.raster.decoding import DecoderPool, OpenLimits
from components.raster.grid import Grid
from components.raster.opening import open_untrusted
from components.raster.scene import Scene

MB = 1024**2
TRIES = 101
BANDS = ("B02", "B03", "B04", "B08")
BOMB_PX = 60_000


def measure() -> list[dict[str, Any]]:
    """Rows of time and memory."""
    with tempfile.TemporaryDirectory() as folder, DecoderPool(_limits()) as pool:
        small = _scene_of_a_megabyte(Path(folder) / "small.tif")
        bomb = _bomb(Path(folder) / "bomb.tif")
        pool.open(small, name="warm"), pool.open(small, name="warm")
        through_child = [_seconds(lambda: pool.open(small, name="upload")) for _ in range(TRIES)]
        in_process = [_seconds(lambda: open_untrusted(small)) for _ in range(TRIES)]
        refusal = [_seconds(lambda: _refused(pool, bomb)) for _ in range(TRIES)]
        large, rise = _laundered(Path(folder))
    name = f"upload of {len(small) / MB:.2f} MB decoded and checked in a warm child"
    return [
        _row(f"{name}, p50", 1e3 * np.percentile(through_child, 50), 30.0, "ms"),
        _row(f"{name}, p95", 1e3 * np.percentile(through_child, 95), 60.0, "ms"),
        _row("the same over decoding in this process, p50", np.median(through_child) / np.median(in_process), 2.0, "x"),
        _row("a bomb refused, p50", 1e3 * np.percentile(refusal, 50), 30.0, "ms"),
        _row(f"laundering {BOMB_PX} x {BOMB_PX} nearly empty pixels", large, 60.0, "s"),
        _row("memory that laundering them takes in this process", rise / MB, 400.0, "MB"),
    ]


def _row(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "limit": limit, "unit": unit, "less_is_better": True}


def _limits() -> OpenLimits:
    return OpenLimits(decoded_bytes=2**35, pixels=10**10, edge_px=10**5, ratio=1e9, bands=8)


def _scene_of_a_megabyte(path: Path) -> bytes:
    """Four bands of noisy reflectance that compress as real ones do: by about a third."""
    rng = np.random.default_rng(0)
    array = (0.1 + 0.02 * rng.standard_normal((4, 420, 420))).astype(np.float32)
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 5_000_000), (420, 420))
    write_scene(Scene(array, grid, BANDS, "reflectance", float("nan")), path, Encoding("uint16", 1e-4, -0.1, 0))
    return path.read_bytes()


def _bomb(path: Path) -> bytes:
    shape = {"height": 10**6, "width": 10**6, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **_options(), blockxsize=16384, blockysize=16384):
        pass
    return path.read_bytes()


def _options() -> dict[str, Any]:
    place = {"crs": CRS.from_epsg(32631), "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    return {"tiled": True, "SPARSE_OK": True, "compress": "deflate", "BIGTIFF": "YES", **place}


def _refused(pool: DecoderPool, content: bytes) -> None:
    try:
        pool.open(content, name="bomb")
    except BadScene:
        return
    raise AssertionError("a bomb was opened")


def _laundered(folder: Path) -> tuple[float, float]:
    """Seconds, and the highest memory above that before."""
    source = folder / "large.tif"
    shape = {"height": BOMB_PX, "width": BOMB_PX, "count": 1, "dtype": "uint16"}
    with rasterio.open(source, "w", driver="GTiff", **shape, **_options(), blockxsize=512, blockysize=512) as file:
        tile = np.random.default_rng(0).integers(1, 9999, (1, 6000, 6000)).astype(np.uint16)  # one in a hundred
        file.write(tile, window=Window(20_480, 20_480, 6000, 6000))
    with DecoderPool(_limits(), workers=1) as pool, _highest_memory() as rise:
        seconds = _seconds(lambda: pool.launder(source, folder / "clean.tif", name="large"))
        return seconds, rise()


@contextmanager
def _highest_memory() -> Iterator[Callable[[], float]]:
    own, done = psutil.Process(), threading.Event()
    before = own.memory_info().rss
    seen = [before]

    def watch() -> None:
        while not done.wait(0.02):
            seen.append(own.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(seen) - before
    finally:
        done.set()
        thread.join()


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    for found in measure():
        print(found)
