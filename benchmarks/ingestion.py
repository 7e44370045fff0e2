"""A second look at what is here already: 1,000 unchanged scenes, and 10,000 small objects of a bucket.

The S3 server is the embedded one, on loopback and on the same cores.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine

from components.ingestion.ingest import ingest
from components.ingestion.mirror import mirror
from components.raster.dataset import MANIFEST
from components.storage.embedded import weed_command, weed_ready
from components.storage.store import Store, StoreAccess

SCENES, OBJECTS, EDGE_PX, TRIES = 1000, 10_000, 64, 3
START_S = 60.0
DECLARATION: dict[str, Any] = {
    **dict.fromkeys(("title", "origin", "licence", "citation", "sensor"), "benchmark"),
    "name": "scenes",
    "layout": {"kind": "folders", "roles": {"image": "images", "mask": "labels"}},
    "image": {"bands": ["B02", "B08"], "unit": "digital_number", "storage": {"dtype": "uint16"}},
    "label": {"values": {0: 0, 1: 1}, "classes": {n: {"name": str(n), "colour": [n, n, n]} for n in (0, 1)}},
}


def measure() -> list[dict[str, Any]]:
    """Four rows: seconds and share of the first time for scenes, requests and share of a listing for objects."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        return [*_scenes(Path(name) / "scenes"), *_objects(Path(name) / "objects")]


def _scenes(folder: Path) -> list[dict[str, Any]]:
    archive, dataset = folder / "archive", folder / "scenes"
    for number in range(SCENES):
        _write(archive, number)
    dataset.mkdir()
    (dataset / "dataset.yaml").write_text(yaml.safe_dump(DECLARATION))
    digests = folder / "digests.json"  # as `python -m components.ingestion` keeps them
    first = _seconds(lambda: ingest(archive, dataset, remember=digests))
    before = (dataset / "raw" / MANIFEST).read_bytes()
    second = median(_seconds(lambda: ingest(archive, dataset, remember=digests)) for _ in range(TRIES))
    assert (dataset / "raw" / MANIFEST).read_bytes() == before, "nothing has changed"
    return [
        _row(f"ingestion of {SCENES} unchanged scenes", second, 5.0, "s"),
        _row("the same over their first ingestion", second / first, 0.1, "ratio"),
    ]


def _objects(folder: Path) -> list[dict[str, Any]]:
    folder.mkdir(parents=True)
    access = StoreAccess(f"127.0.0.1:{_free_port()}", "benchmark", "benchmark-secret", "benchmark", False)
    command = weed_command(folder / "store", access.endpoint, access.access_key, access.secret_key)
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        store = _ready(access, folder / "store")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: store.put_new(f"small/{number:05d}.bin", b"%d" % number), range(OBJECTS)))
        mirror(store, "small", folder / "mirror")
        listing, second = [], []
        for _ in range(TRIES):
            listing.append(_seconds(lambda: store.list("small/")))
            second.append(_seconds(lambda: mirror(store, "small", folder / "mirror")))
        requests = _requests(store, lambda: mirror(store, "small", folder / "mirror"))
    finally:
        server.kill()
        server.wait()
    name = f"{OBJECTS} unchanged objects of a bucket"
    return [
        _row(f"{name} compared / listed", median(second) / median(listing), 2.0, "ratio"),
        _row(f"{name}: requests", requests, OBJECTS / 1000 + 2, "requests"),
    ]


def _requests(store: Store, work: Callable[[], object]) -> int:
    """How many HTTP requests the store's client sends meanwhile."""
    sent = 0
    original = store._http.urlopen

    def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - passed through
        nonlocal sent
        sent += 1
        return original(*given, **named)

    store._http.urlopen = counted  # type: ignore[method-assign]
    work()
    return sent


def _write(archive: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    for folder, bands, most, dtype in (("images", 2, 9000, "uint16"), ("labels", 1, 2, "uint8")):
        path = archive / folder / f"s{number:04d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"count": bands, "height": EDGE_PX, "width": EDGE_PX, "dtype": dtype, "crs": "EPSG:32631"}
        transform = Affine(10, 0, 500000 + 640 * number, 0, -10, 5000000)
        with rasterio.open(path, "w", driver="GTiff", transform=transform, **profile) as file:
            file.write(rng.integers(0, most, (bands, EDGE_PX, EDGE_PX)).astype(dtype))


def _row(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "limit": limit, "unit": unit, "less_is_better": True}


def _seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _ready(access: StoreAccess, folder: Path) -> Store:
    deadline = perf_counter() + START_S
    while not weed_ready(access.endpoint, folder):
        if perf_counter() > deadline:
            raise TimeoutError(f"no S3 server at {access.endpoint} after {START_S:.0f} s")
        time.sleep(0.2)
    store = Store(access)
    store.ensure_bucket()
    return store


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
