from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from components.raster.grid import Grid
from tests.deployment.toy import scene

REQUESTS, THREADS, COG_EVERY = 2000, 4, 25
SMALL = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 4_900_000), (16, 16))
BLACK, RED = [0, 0, 0, 255], [200, 30, 30, 255]
WEIGHTS = {(1.0, 1.0): BLACK, (2.0, 2.0): RED}  # of 0.2 in both bands they make a chance of 0.4 and of 0.8


@pytest.fixture
def quick_turns():
    """Store, service and callers share one interpreter here: threads that wait for it are let in ten times as soon."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_turns")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_no_request_fails_or_is_named_after_another_version_while_versions_alternate(
    client_of, slots, registry, run, make_version, tif
):
    colour = {make_version(weight): pixel for weight, pixel in WEIGHTS.items()}
    registry.promote(run, next(iter(colour)))
    slots.look()
    slots.poll_s = 0.2
    client = client_of(slots)
    files = {"before": tif(0.1, grid=SMALL), "after": tif(value=scene(0.3, grid=SMALL))}
    done, swaps = threading.Event(), []

    def alternate():
        while not done.wait(0.6):
            version = list(colour)[(len(swaps) + 1) % 2]
            registry.promote(run, version)
            while slots.current(run).id != version and not done.wait(0.02):
                pass
            swaps.append(version)

    def ask(number):
        """The version that the answer names, and the pixel that its version made."""
        kind = "cog" if number % COG_EVERY == 0 else "png"
        answer = client.post("/change", files=files, data={"format": kind})
        if answer.status_code != 200:
            return answer.text, number
        with MemoryFile(answer.content) as memory, memory.open() as found:
            pixel = found.read()[:, 8, 8].tolist()
            if kind == "cog":
                assert found.tags()["SWATH_VERSION"] == answer.headers["X-Swath-Version"]
                pixel = RED if pixel == [1] else BLACK
            return answer.headers["X-Swath-Version"], pixel

    slots.start()
    switcher = threading.Thread(target=alternate)
    switcher.start()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(ask, range(REQUESTS)))
    finally:
        done.set()
        switcher.join(30)
        slots.stop()
    assert [each for each in answers if colour.get(each[0]) != each[1]] == []
    assert len(swaps) >= 20
    assert {version for version, _ in answers} == set(colour)
    assert slots.as_json()["memory"]["draining"] == []
