"""An application with toy versions in a real registry, and files to send to it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from starlette.testclient import TestClient

from components.deployment.registry import Registry
from components.raster.cog import write_scene
from components.raster.decoding import DecoderPool
from components.storage.store import Store
from serving.drift import InputStatistics
from serving.endpoints import Serving, build_app
from serving.guard import Guard, GuardLimits
from serving.observing import Observer
from serving.slots import Slots
from tests.conftest import QUICK
from tests.deployment.toy import CODE, scene, toy_version, use_toy


@pytest.fixture
def registry(moto_store):
    return Registry(Store(moto_store, QUICK))


@pytest.fixture
def run():
    return f"toy-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def make_version(registry, run, tmp_path, monkeypatch):
    """Registers a toy version and says its id."""
    use_toy(monkeypatch)

    def make(weight=(1.0, 1.0), code=CODE, name=run):
        folder = tmp_path / uuid.uuid4().hex
        return registry.register(name, toy_version(folder, name, weight, code)[1]).id

    return make


@pytest.fixture
def slots(registry, run, tmp_path):
    return Slots(registry, tmp_path / "cache", lambda task: CODE, only=[run])


@pytest.fixture(scope="session")
def decoders():
    with DecoderPool() as pool:
        yield pool


@pytest.fixture
def client_of(decoders, tmp_path):
    """A client of the guarded application over given slots."""
    opened = []

    def make(slots, limits=None, **serving):
        @contextmanager
        def started():
            with ThreadPoolExecutor(1) as pool, closing(InputStatistics(tmp_path / "inputs.sqlite")) as inputs:
                yield Serving(slots, decoders, pool, inputs, **serving)

        app = Observer(Guard(build_app(started), limits or GuardLimits()))
        client = TestClient(app, raise_server_exceptions=False)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_of, slots, registry, run, make_version):
    """A client of a service with one version in service."""
    registry.promote(run, make_version())
    slots.look()
    return client_of(slots)


@pytest.fixture
def tif(tmp_path):
    """The bytes of a scene as GeoTIFF."""

    def make(*args, value=None, **fields):
        path = tmp_path / f"{uuid.uuid4().hex}.tif"
        write_scene(value or scene(*args, **fields), path)
        return path.read_bytes()

    return make


@pytest.fixture
def pair(tif):
    """Two scenes, the left half of which changed."""
    return {"before": tif(0.1), "after": tif(0.1, 0.4)}
