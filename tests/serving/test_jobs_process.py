"""Jobs through the real service: `bentoml serve`, a SeaweedFS store, a network, and kill -9 of everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from components.deployment.registry import Registry
from components.lineage.closure import code_digest
from components.raster.cog import write_scene
from components.raster.grid import Grid
from components.raster.opening import open_untrusted
from components.storage.store import Store, StoreAccess
from tests.conftest import QUICK, SECRET, free_endpoint
from tests.deployment.toy import GRID, scene
from tests.serving.test_process import RUN, make_version, wait_ready

pytestmark = [pytest.mark.service, pytest.mark.slow]
LARGE = Grid(GRID.crs, GRID.transform, (600, 1100))
BUCKET = "swath-jobs-process"


class Service:
    """`bentoml serve` that may be killed and started again over the same state."""

    def __init__(self, checkout, home, store_endpoint):
        self.checkout, self.home, self.endpoint = checkout, home, free_endpoint()
        self.url, self.log = f"http://{self.endpoint}", home / "log"
        settings = {
            "SWATH_PROJECT": home, "SWATH_STORE_ENDPOINT": store_endpoint, "SWATH_STORE_SECRET_KEY": SECRET,
            "SWATH_STORE_BUCKET": BUCKET, "SWATH_POLL_S": 0.3, "SWATH_JOBS_LEASE_S": 4, "SWATH_JOBS_IDLE_S": 20,
            "BENTOML_HOME": home / "bentoml", "BENTOML_DO_NOT_TRACK": "True",
        }  # fmt: skip
        self.env = os.environ | {name: str(value) for name, value in settings.items()}
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "bentoml", "serve", "serving.service:SwathService", "--host", "127.0.0.1"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", self.endpoint.rsplit(":", 1)[1]],
                cwd=self.checkout, env=self.env, stdout=log, stderr=log,
            )  # fmt: skip
        wait_ready(self.url, self.process, self.log)

    def family(self):
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def job_worker(self):
        return next(each for each in self.family() if "serving.jobs.worker" in " ".join(each.cmdline()))

    def kill(self):
        """kill -9 of the service, its supervisor included; the job worker is left to itself."""
        own = self.job_worker()
        for each in self.family():
            if each != own:
                each.kill()
        self.process.wait()
        own.wait(30)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def post(self, pair):
        answer = httpx.post(
            f"{self.url}/jobs", files=pair, data={"task": "change"}, headers={"X-Request-Id": "same"}, timeout=60
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def until(self, id, state, tiles=0, timeout_s=240):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            job = httpx.get(f"{self.url}/jobs/{id}", timeout=10).json()
            if job["state"] == state and job["tiles"]["done"] >= tiles:
                return job
            time.sleep(0.1)
        raise TimeoutError(f"{job} {self.log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def service(object_store, checkout, tmp_path_factory):
    store = Store(StoreAccess(object_store.endpoint, "swath", SECRET, BUCKET), QUICK)
    store.ensure_bucket()
    registry, own = Registry(store), code_digest("change", checkout)
    registry.promote(RUN, make_version(registry, tmp_path_factory.mktemp("versions"), 1, own))
    found = Service(checkout, tmp_path_factory.mktemp("project"), object_store.endpoint)
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    for name, changed in (("before", 0.0), ("after", 0.3)):
        write_scene(scene(0.1, changed, grid=LARGE), folder / f"{name}.tif")
    return {name: (folder / f"{name}.tif").read_bytes() for name in ("before", "after")}


def test_jobs_survive_kill_9_of_the_worker_and_of_the_service_and_finish_once(service, pair):
    # Waiting behind the one that runs, so that a kill meets both kinds of job.
    running, waiting = service.post(pair), service.post(pair)
    service.until(running, "running", tiles=1)
    os.kill(service.job_worker().pid, signal.SIGKILL)
    service.until(waiting, "running", tiles=1)  # the other one comes first now
    service.kill()
    service.start()
    found = [service.until(id, "done") for id in (running, waiting)]
    undisturbed = service.until(service.post(pair), "done")
    assert {job["result"]["digest"] for job in found} == {undisturbed["result"]["digest"]}
    assert [job["attempts"] for job in (*found, undisturbed)] == [2, 1, 1]
    listed = httpx.get(f"{service.url}/jobs", timeout=10).json()["jobs"]
    assert [job["state"] for job in listed] == ["done"] * 3
    assert list((service.home / ".swath" / "jobs" / "work").iterdir()) == []
    change = open_untrusted(httpx.get(f"{service.url}{found[0]['result']['url']}", timeout=60).content)
    assert change.grid.same_as(LARGE)
    assert (change.tags["SWATH_REQUEST"], change.tags["SWATH_VERSION"]) == ("same", found[0]["version"])


def test_no_secret_stands_in_the_log_of_service_and_worker(service):
    log = service.log.read_text()
    assert "serving.jobs.loop" in log
    assert SECRET not in log
    assert "Signature=" not in log
