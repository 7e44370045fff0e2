"""Scenes that lie in the object store against the same scenes as local files: all windows, in the same order.

From the store a scene is fetched as a whole while the one before it is read, as jobs do it; the S3 server is the
embedded one, on loopback and on the same cores.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.prediction import write_scene_like
from components.raster.handles import close_handles
from components.raster.io import describe, read_scene
from components.storage.embedded import weed_command, weed_ready
from components.storage.store import Store, StoreAccess

EDGE_PX, BANDS, SCENES, WINDOW_PX, TRIES = 4096, 4, 3, 512, 3
START_S = 60.0


def measure() -> list[dict[str, Any]]:
    """One row: rate of reading from the store as a share of that of reading local files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [write_scene_like(folder / f"{number}.tif", EDGE_PX, BANDS, number) for number in range(SCENES)]
        access = StoreAccess(f"127.0.0.1:{_free_port()}", "benchmark", "benchmark-secret", "benchmark", False)
        command = weed_command(folder / "store", access.endpoint, access.access_key, access.secret_key)
        with (folder / "weed.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            ratio = _ratio(paths, _ready(access, folder / "store"), folder)
        finally:
            server.kill()
            server.wait()
    return [{"name": "scenes from the S3 store / local, all windows", "value": ratio, "limit": 0.5, "unit": "ratio"}]


def _ratio(paths: list[Path], store: Store, folder: Path) -> float:
    keys = [store.put_file(path) for path in paths]
    local, remote = [], []
    for _ in range(TRIES):
        local.append(_seconds(lambda: [_read(path) for path in paths]))
        remote.append(_seconds(lambda: _read_fetched(store, keys, folder)))
    return median(local) / median(remote)


def _read_fetched(store: Store, keys: list[str], folder: Path) -> None:
    def fetch(number: int) -> Path:
        path = folder / f"fetched-{number}.tif"
        store.get_file(keys[number], path)
        return path

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(fetch, 0)
        for number in range(len(keys)):
            path = coming.result()
            if number + 1 < len(keys):
                coming = pool.submit(fetch, number + 1)
            _read(path)
            path.unlink()


def _read(path: Path) -> None:
    close_handles()  # as a scene that was never opened before
    for window in describe(path).grid.tiles(WINDOW_PX):
        read_scene(path, window=window)


def _seconds(work: Any) -> float:  # noqa: ANN401 - whatever it gives is not looked at
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _ready(access: StoreAccess, folder: Path) -> Store:
    end = time.monotonic() + START_S
    while not weed_ready(access.endpoint, folder):
        if time.monotonic() > end:
            raise SystemExit("the embedded store did not start")
        time.sleep(0.2)
    store = Store(access)
    store.ensure_bucket()
    return store


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
