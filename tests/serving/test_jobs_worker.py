from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from components.deployment.registry import Registry
from components.raster.cog import write_scene
from components.storage.store import Store
from serving.jobs.starter import Launch, Starter, Upkeep
from serving.jobs.table import Rules
from serving.slots import Slots
from tests.conftest import QUICK, SECRET
from tests.deployment.toy import CODE, GRID, scene, toy_version, use_toy
from tests.serving.jobs import office

pytestmark = [pytest.mark.service, pytest.mark.slow]
PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, str(PROJECT / "tests" / "serving" / "toy_worker.py"))
LARGE = replace(GRID, shape=(1024, 1100))  # six tiles
LEASE_S = 3.0


@pytest.fixture(scope="module")
def hall(moto_store, tmp_path_factory):
    """A registry with one promoted toy, and its slots."""
    registry, run = Registry(Store(moto_store, QUICK)), f"toy-{uuid.uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as patch:
        use_toy(patch)
        registry.promote(run, registry.register(run, toy_version(tmp_path_factory.mktemp("toy"), run)[1]).id)
        slots = Slots(registry, tmp_path_factory.mktemp("cache"), lambda task: CODE, only=[run])
        slots.look()
        yield registry, slots


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pair of six tiles, and one that kills who predicts it."""
    folder, made = tmp_path_factory.mktemp("files"), {}
    poison = scene(0.1)
    poison.array[:, 0, 0] = 1.4
    values = {
        "before": scene(0.1, grid=LARGE),
        "after": scene(0.1, 0.4, grid=LARGE),
        "poison": poison,
        "small": scene(),
    }
    for name, value in values.items():
        write_scene(value, folder / f"{name}.tif")
        made[name] = (folder / f"{name}.tif").read_bytes()
    return made


@pytest.fixture(scope="module")
def pair(files):
    return {name: files[name] for name in ("before", "after")}


class Shop:
    """An office with real worker processes."""

    def __init__(self, office, endpoint, folder):
        self.office, self.folder, self._starters = office, folder, []
        self.table, self.client = office.desk.table, office.client
        self.env = os.environ | {
            "PYTHONPATH": str(PROJECT), "SWATH_PROJECT": str(folder), "SWATH_STORE_ENDPOINT": endpoint,
            "SWATH_STORE_SECRET_KEY": SECRET, "SWATH_STORE_BUCKET": "swath-tests", "SWATH_JOBS_LEASE_S": str(LEASE_S),
            "SWATH_JOBS_ATTEMPTS": "2",
            "SWATH_JOBS_IDLE_S": "30", "TOY_TILE_S": "0.4",
        }  # fmt: skip

    def starter(self, **env):
        launch = Launch(PROJECT, self.env | env, COMMAND)
        upkeep = Upkeep(folders=(self.office.folder / "work",))
        found = Starter(self.table, self.office.desk.files, launch, upkeep, poll_s=0.1)
        self._starters.append(found)
        found.start()
        return found

    def worker(self, parent=None, name="by-hand", **env):
        parent = os.getpid() if parent is None else parent
        command = [*COMMAND, "--parent", str(parent), "--name", name]
        return subprocess.Popen(command, cwd=PROJECT, env=self.env | env)

    def post(self, files, **fields):
        answer = self.office.post(files, headers={"X-Request-Id": "the-same"}, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, id):
        return self.client.get(f"/jobs/{id}").json()

    def until(self, id, *states, tiles=0, timeout_s=90.0):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            job = self.job(id)
            if job["state"] in states and job["tiles"]["done"] >= tiles:
                return job
            time.sleep(0.05)
        raise TimeoutError(str(self.job(id)))

    def leftovers(self):
        return sorted((self.office.folder / "work").glob("*"))

    def close(self):
        for starter in self._starters:
            starter.stop()


@pytest.fixture
def shop(hall, moto_store, tmp_path, decoders):
    registry, slots = hall
    with ExitStack() as opened:
        place = opened.enter_context(office(slots, registry, tmp_path / ".swath", decoders, rules=Rules(2, LEASE_S)))
        found = Shop(place, moto_store.endpoint, tmp_path)
        opened.callback(found.close)
        yield found


@pytest.fixture(scope="module")
def undisturbed(hall, pair, tmp_path_factory, decoders):
    """The digest of the result where nothing went wrong."""
    registry, slots = hall
    with office(slots, registry, tmp_path_factory.mktemp("undisturbed"), decoders) as place:
        id = place.post(pair, headers={"X-Request-Id": "the-same"}).json()["id"]
        place.worker().run()
        return place.client.get(f"/jobs/{id}").json()["result"]["digest"]


def test_a_worker_lives_only_while_there_is_work(shop, pair, undisturbed):
    starter = shop.starter(SWATH_JOBS_IDLE_S="0.5", TOY_TILE_S="0")
    time.sleep(0.5)
    assert starter.worker_pid is None
    job = shop.until(shop.post(pair), "done")
    assert (job["result"]["digest"], job["attempts"], job["tiles"]) == (undisturbed, 1, {"done": 6, "all": 6})
    end = time.monotonic() + 60  # ending takes a busy machine more than ten seconds: the worker is polite to others
    while starter.worker_pid is not None and time.monotonic() < end:
        time.sleep(0.1)
    assert starter.worker_pid is None
    assert shop.leftovers() == []


def test_a_killed_worker_loses_no_job_and_finishes_it_once(shop, pair, undisturbed):
    starter = shop.starter()
    id = shop.post(pair)
    shop.until(id, "running", tiles=2)
    os.kill(starter.worker_pid, signal.SIGKILL)
    job = shop.until(id, "done")
    assert (job["result"]["digest"], job["attempts"]) == (undisturbed, 2)
    end = time.monotonic() + 20  # inputs are removed once the result is known
    while len(shop.office.objects()) > 1 and time.monotonic() < end:
        time.sleep(0.1)
    assert [key.split("/")[-1] for key in shop.office.objects()] == [undisturbed]
    assert shop.leftovers() == []


def test_a_worker_that_is_told_to_end_puts_its_job_back(shop, pair, undisturbed):
    id = shop.post(pair)
    worker = shop.worker()
    shop.until(id, "running", tiles=1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    job = shop.job(id)
    assert (job["state"], job["attempts"], shop.leftovers()) == ("queued", 0, [])
    shop.starter(TOY_TILE_S="0")
    assert shop.until(id, "done")["result"]["digest"] == undisturbed


def test_a_worker_ends_with_its_service(shop, pair):
    id = shop.post(pair)
    code = "import os, subprocess, sys, time\n"
    code += "subprocess.Popen([*sys.argv[1:], '--parent', str(os.getpid())])\ntime.sleep(99)"
    service = subprocess.Popen([sys.executable, "-c", code, *COMMAND], cwd=PROJECT, env=shop.env)
    shop.until(id, "running", tiles=1)
    (worker,) = psutil.Process(service.pid).children()
    service.kill()
    service.wait()
    worker.wait(120)
    job = shop.job(id)
    assert (job["state"], job["attempts"], shop.leftovers()) == ("queued", 0, [])


def test_a_poisonous_job_ends_and_blocks_no_other(shop, files, undisturbed, pair):
    poisonous = shop.post({"before": files["poison"], "after": files["small"]})
    good = shop.post(pair)
    shop.starter(TOY_TILE_S="0")
    assert shop.until(good, "done")["result"]["digest"] == undisturbed
    job = shop.until(poisonous, "failed")
    assert shop.table.find(good).finished_at <= shop.table.find(poisonous).started_at  # of its second attempt
    assert (job["attempts"], job["error"]) == (2, "WorkerLost")
    assert "its worker was lost" in job["reason"]
    assert shop.leftovers() == []


def test_several_workers_do_every_job_once(shop, pair, undisturbed):
    workers = [shop.worker(name=name, SWATH_JOBS_IDLE_S="3", TOY_TILE_S="0.02") for name in ("a", "b")]
    ids = [shop.post(pair) for _ in range(4)]
    found = [shop.until(id, "done") for id in ids]
    assert {(job["result"]["digest"], job["attempts"]) for job in found} == {(undisturbed, 1)}
    for worker in workers:
        assert worker.wait(120) == 0


def test_a_worker_that_slept_beyond_its_lease_cannot_finish(shop, pair, undisturbed):
    id = shop.post(pair)
    asleep = shop.worker(name="asleep", TOY_TILE_S="0.2")
    shop.until(id, "running", tiles=1)
    asleep.send_signal(signal.SIGSTOP)
    awake = shop.worker(name="awake", TOY_TILE_S="1.0")
    until = time.monotonic() + 60
    while shop.table.find(id).worker != "awake":
        assert time.monotonic() < until
        time.sleep(0.1)
    asleep.send_signal(signal.SIGCONT)
    time.sleep(2.5)  # the sleeper would have finished by now
    assert shop.job(id)["state"] == "running"
    job = shop.until(id, "done")
    assert (job["attempts"], job["result"]["digest"]) == (2, undisturbed)
    for worker in (asleep, awake):
        worker.terminate()
        assert worker.wait(120) == 0


def test_work_that_does_not_stop_ends_with_its_process(shop, pair):
    id = shop.post(pair)
    worker = shop.worker(TOY_TILE_S="600", TOY_GRACE_S="1")
    shop.until(id, "running")
    while shop.job(id)["phase"] != "predicting":
        time.sleep(0.1)
    assert shop.client.delete(f"/jobs/{id}").json()["state"] == "cancelled"
    assert worker.wait(120) == 75


def test_a_worker_that_cannot_start_is_not_started_in_a_loop(shop, pair):
    starter = Starter(shop.table, shop.office.desk.files, Launch(PROJECT, shop.env, ("false",)), poll_s=0.05)
    shop.post(pair)
    starter.start()
    began = []
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        began.append(starter._started_at)
        time.sleep(0.02)
    starter.stop()
    assert 2 <= len(set(began)) <= 4


def test_what_a_killed_process_left_is_swept(shop, pair, tmp_path):
    from serving.jobs.scratch import scratch, sweep

    code = "import sys, time, pathlib\nfrom serving.jobs.scratch import scratch\n"
    code += "with scratch(pathlib.Path(sys.argv[1])) as f:\n    print(f, flush=True)\n    time.sleep(99)"
    dead = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "s"], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    folder = Path(dead.stdout.readline().strip())
    with scratch(tmp_path / "s") as living:
        assert (sweep(tmp_path / "s"), folder.is_dir()) == (0, True)
        dead.kill()
        dead.wait()
        assert (sweep(tmp_path / "s"), folder.is_dir(), living.is_dir()) == (1, False, True)
    assert list((tmp_path / "s").iterdir()) == []
