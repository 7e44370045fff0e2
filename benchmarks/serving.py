"""The service under load: a real process over a real store, pairs of 96 x 96 pixels through FC-Siam-diff.

Capacity is measured first (four callers, each asking as soon as it is answered); then requests arrive evenly at 50, 80
and 120 % of it, whether or not earlier ones were answered, while `/livez` is asked ten times a second. The callers run
on the same machine. Names of rows carry the absolute times.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from affine import Affine
from rasterio.crs import CRS
from safetensors.numpy import save_file

from components.deployment.card import Provenance
from components.deployment.draft import draft
from components.deployment.registry import Registry
from components.lineage.closure import code_digest
from components.raster.cog import write_scene
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.storage.embedded import weed_command, weed_ready
from components.storage.store import Store, StoreAccess
from components.tasks import load_task
from components.tasks.bundle import module_state
from components.tasks.params import read_params

ROOT = Path(__file__).resolve().parents[1]
RUN, SECRET, WAITING, EDGE_PX = "change-load", "only-for-this-benchmark", 8, 96
CALLERS, CAPACITY_S, LOAD_S, READY_S = 4, 6.0, 10.0, 120.0
BANDS = ("B04", "B08")
PARAMS = {
    "task": "change", "dataset": "none", "description": "random weights",
    "split": {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]},
    "method": {"name": "fc-siam-diff", "bands": list(BANDS), "pixel_size_m": [5, 20], "needs_crs": True},
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One answered request."""

    status: int
    seconds: float


def measure() -> list[dict[str, Any]]:
    """Rows: latency at three loads, refusals, the balancer's probe, and the time until all is quick again."""
    with tempfile.TemporaryDirectory(prefix="swath-bench-") as name, served(Path(name)) as url:
        return asyncio.run(_rows(url, pair(Path(name))))


async def _rows(url: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None)) as client:

        async def ask() -> Answer:
            return await _timed(lambda: client.post("/change", files=files))

        capacity = await _capacity(ask)
        rows, alive, refused = [], list[float](), list[float]()
        for share in (0.5, 0.8, 1.2):
            answers, probes = await _load(ask, client, share * capacity)
            alive += probes
            refused += [each.seconds for each in answers if each.status == 429]
            rows.append(_latency(share, capacity, [each.seconds for each in answers if each.status == 200]))
        recovery = await _recovery(ask, 4 * CALLERS / capacity)
    if refused:
        rows.append(_row(f"429 at 120 % load, p99 of {len(refused)}", _p99(refused) * 1e3, 100.0, "ms"))
    rows.append(_row(f"`/livez` meanwhile, p99 of {len(alive)}", _p99(alive) * 1e3, 200.0, "ms"))
    return [*rows, _row("quick again after overload", recovery, 10.0, "s")]


def _row(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    return {"name": f"serving: {name}", "value": value, "limit": limit, "unit": unit, "less_is_better": True}


def _latency(share: float, capacity: float, seconds: list[float]) -> dict[str, Any]:
    """p99 against p50 below capacity; above it, p99 against the time in which a full queue is worked off."""
    p50, p99 = statistics.median(seconds), _p99(seconds)
    name = f"answers at {share:.0%} of {capacity:.1f} requests/s: p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    if share < 1.0:
        return _row(f"{name}; p99 / p50", p99 / p50, 5.0, "x")
    return _row(f"{name}; p99 / time of a full queue", p99 / (WAITING / capacity), 2.0, "x")


async def _capacity(ask: Callable[[], Awaitable[Answer]]) -> float:
    """Answers a second to callers who ask again at once."""
    await asyncio.gather(*(ask() for _ in range(CALLERS)))  # warm
    began, done = time.perf_counter(), 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() - began < CAPACITY_S:
            await ask()
            done += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / (time.perf_counter() - began)


async def _load(
    ask: Callable[[], Awaitable[Answer]], client: httpx.AsyncClient, rate: float
) -> tuple[list[Answer], list[float]]:
    """Answers to requests that arrive evenly, and the seconds of `/livez` meanwhile."""
    began, alive = time.perf_counter(), list[float]()

    async def probe() -> None:
        while True:
            alive.append((await _timed(lambda: client.get("/livez"))).seconds)
            await asyncio.sleep(0.1)

    probing, asked = asyncio.create_task(probe()), []
    for number in range(int(rate * LOAD_S)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        asked.append(asyncio.create_task(_awaited(ask)))
    answers = await asyncio.gather(*asked)
    probing.cancel()
    return answers, alive


async def _awaited(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    return await ask()


async def _recovery(ask: Callable[[], Awaitable[Answer]], quick_s: float) -> float:
    """Seconds from a storm of four full queues until a single request is answered in ``quick_s``."""
    storm = [asyncio.create_task(_awaited(ask)) for _ in range(4 * WAITING)]
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    while True:
        answer = await ask()
        if answer.status == 200 and answer.seconds < quick_s:
            seconds = time.perf_counter() - began
            await asyncio.gather(*storm)
            return seconds
        await asyncio.sleep(0.1)


async def _timed(send: Callable[[], Awaitable[httpx.Response]]) -> Answer:
    began = time.perf_counter()
    answer = await send()
    return Answer(answer.status_code, time.perf_counter() - began)


def _p99(seconds: list[float]) -> float:
    return float(np.quantile(seconds, 0.99))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a service with one version of this code in service."""
    with prepared(folder) as (url, start):
        service = start()
        try:
            until(lambda: is_ready(url))
            yield url
        finally:
            service.terminate()
            service.wait(30)


@contextmanager
def prepared(folder: Path, **settings: object) -> Iterator[tuple[str, Callable[[], subprocess.Popen[bytes]]]]:
    """A store with one version of this code promoted: the address of a service, and a call that starts it."""
    store, port = f"127.0.0.1:{free_port()}", free_port()
    known = {
        "SWATH_PROJECT": folder, "SWATH_STORE_ENDPOINT": store, "SWATH_STORE_SECRET_KEY": SECRET,
        "SWATH_MAX_WAITING": WAITING, "BENTOML_HOME": folder / "bentoml", "BENTOML_DO_NOT_TRACK": "True", **settings,
    }  # fmt: skip
    env = os.environ | {key: str(value) for key, value in known.items()}
    serve = [sys.executable, "-m", "bentoml", "serve", "serving.service:SwathService", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        weed = subprocess.Popen(
            weed_command(folder / "store", store, "swath", SECRET), cwd=folder, stdout=log, stderr=log
        )
        try:
            until(lambda: weed_ready(store, folder / "store"))
            promote(Registry(Store(StoreAccess(store, "swath", SECRET))), folder)
            yield (
                f"http://127.0.0.1:{port}",
                lambda: subprocess.Popen(serve, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True),
            )
        finally:
            weed.kill()
            weed.wait()


def promote(registry: Registry, folder: Path) -> None:
    """A network with random weights in service."""
    registry.store.ensure_bucket()
    project = folder / "project"
    params_path = project / "components" / "tasks" / "change" / "params" / f"{RUN}.yaml"
    weights, reports = project / "models" / "weights" / RUN, project / "data" / "reports"
    for each in (params_path.parent, weights, reports):
        each.mkdir(parents=True)
    params_path.write_text(yaml.safe_dump(PARAMS))
    network = load_task("change").methods(read_params(params_path)).candidate
    save_file(module_state(network.module), weights / "weights.safetensors")
    numbers = {"channels": list(BANDS), "mean": [0.1, 0.1], "std": [0.2, 0.2]}
    (weights / "preprocessing.json").write_text(json.dumps(numbers))
    (reports / f"{RUN}.json").write_text("{}")
    made = Provenance("0" * 8, datetime(2025, 1, 1, tzinfo=UTC), code_digest("change", ROOT), {})
    draft(RUN, project, folder / "version", made)
    registry.promote(RUN, registry.register(RUN, folder / "version").id)


def pair(folder: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 4_900_000), (EDGE_PX, EDGE_PX))
    for name in ("before", "after"):
        array = rng.random((len(BANDS), EDGE_PX, EDGE_PX), dtype=np.float32) * 0.3
        write_scene(Scene(array, grid, BANDS, "reflectance", float("nan")), folder / f"{name}.tif")
    return {name: (folder / f"{name}.tif").read_bytes() for name in ("before", "after")}


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"the service was not ready within {READY_S:.0f} s")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    for found in measure():
        print(found)
