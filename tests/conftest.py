"""Fixtures that several test folders share: real object stores on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.storage.embedded import weed_command, weed_ready
from components.storage.patience import Patience
from components.storage.store import Store, StoreAccess

QUICK = Patience(attempts=7, first_s=0.05, longest_s=1.0, refused=2)
SECRET = "a-secret-of-the-tests"


def free_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def start_weed(folder: Path, endpoint: str) -> subprocess.Popen[bytes]:
    with (folder / "weed.log").open("ab") as log:
        process = subprocess.Popen(
            weed_command(folder / "store", endpoint, "swath", SECRET), stdout=log, stderr=log, cwd=folder
        )
    for _ in range(300):
        if weed_ready(endpoint, folder / "store"):
            return process
        time.sleep(0.1)
    process.kill()
    raise TimeoutError((folder / "weed.log").read_text()[-2000:])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of many minutes wait to be asked for, so that `make test` keeps its quarter of an hour."""
    if os.environ.get("SWATH_LONG_TESTS"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes many minutes: set SWATH_LONG_TESTS=1"))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that a service runs: nobody edits it meanwhile, so its code digests hold."""
    folder, project = tmp_path_factory.mktemp("checkout"), Path(__file__).resolve().parents[1]
    unwanted = shutil.ignore_patterns("weights", "__pycache__")
    for package in ("components", "models", "serving"):
        shutil.copytree(project / package, folder / package, ignore=unwanted)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copyfile(project / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreAccess]:
    """How to enter a real SeaweedFS with an empty bucket; tests that use it are marked `service`."""
    endpoint = free_endpoint()
    process = start_weed(tmp_path_factory.mktemp("weed"), endpoint)
    access = StoreAccess(endpoint, "swath", SECRET, "swath-tests")
    Store(access, QUICK).ensure_bucket()
    yield access
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def moto_store() -> Iterator[StoreAccess]:
    """How to enter a moto server in this process: the second kind of S3."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    endpoint = free_endpoint()
    running = server.ThreadedMotoServer("127.0.0.1", int(endpoint.rsplit(":", 1)[1]), verbose=False)
    running.start()
    access = StoreAccess(endpoint, "swath", SECRET, "swath-tests")
    Store(access, QUICK).ensure_bucket()
    yield access
    running.stop()


@pytest.fixture(params=["moto", pytest.param("seaweedfs", marks=pytest.mark.service)])
def store(request: pytest.FixtureRequest) -> Store:
    """A store on each of the two servers."""
    name = "object_store" if request.param == "seaweedfs" else "moto_store"
    return Store(request.getfixturevalue(name), QUICK)
