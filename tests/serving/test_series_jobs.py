"""Time series as jobs: the same form and the same answer, kept over lost workers."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.deployment.registry import Registry
from components.raster.opening import open_untrusted
from components.storage.store import Store
from serving.jobs.table import Rules
from serving.series.dates import OneDate
from serving.slots import Slots
from tests.conftest import QUICK, SECRET
from tests.deployment.toy import CODE
from tests.raster.series import intensity, write_dates
from tests.scenes import make_grid, write_plain
from tests.serving.jobs import office
from tests.serving.radar import UNIT, as_series, dates, register, stamps

PROJECT = Path(__file__).resolve().parents[2]
NAN = float("nan")


@pytest.fixture(scope="module")
def runs():
    tail = uuid.uuid4().hex[:8]
    return {"change": f"change-sar-{tail}", "despeckling": f"lee-{tail}"}


@pytest.fixture(scope="module")
def hall(moto_store, runs, tmp_path_factory):
    """A registry with both kinds of run in service."""
    registry, folder = Registry(Store(moto_store, QUICK)), tmp_path_factory.mktemp("versions")
    for task, run in runs.items():
        registry.promote(run, register(registry, folder, task, run))
    slots = Slots(registry, tmp_path_factory.mktemp("cache"), lambda task: CODE, only=list(runs.values()))
    slots.look()
    return registry, slots


@pytest.fixture
def open_office(hall, tmp_path, decoders):
    registry, slots = hall
    with ExitStack() as opened:
        yield lambda **given: opened.enter_context(
            office(slots, registry, tmp_path / uuid.uuid4().hex, decoders, **given)
        )


@pytest.fixture
def service(open_office):
    return open_office()


def result(service, job):
    assert job["state"] == "done", job["reason"]
    return service.client.get(job["result"]["url"])


def test_a_job_gives_the_map_that_the_endpoint_gives(service, tmp_path):
    files = dates(tmp_path / "dates")
    job = service.done(files, **UNIT)
    at_once = service.client.post("/change/series", files=files, data=UNIT)
    assert (job["run"], job["format"], job["tiles"]) == (at_once.headers["X-Swath-Run"], "cog", {"done": 1, "all": 1})
    by_job = open_untrusted(result(service, job).content)
    np.testing.assert_array_equal(by_job.array, open_untrusted(at_once.content).array)
    assert by_job.tags["SWATH_REQUEST"] == job["request_id"]
    assert list((service.folder / "work").iterdir()) == list((service.folder / "intake").iterdir()) == []
    (key,) = service.objects()
    assert "/result/" in key


def test_a_job_filters_every_date_into_an_archive(service, tmp_path):
    job = service.done(dates(tmp_path / "dates", 3), task="despeckling", **UNIT)
    assert (job["format"], job["tiles"]) == ("zip", {"done": 3, "all": 3})
    answer = result(service, job)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].endswith('.zip"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"filtered-{stamp}.tif" for stamp in stamps(3)]
        assert open_untrusted(archive.read(archive.namelist()[2])).unit == "intensity"


def test_pattern_orbit_and_looks_hold_for_a_job_and_other_orbits_are_not_kept(service, tmp_path):
    named = [
        ("series", (f"rel{n}_{name}", content)) for n in (7, 12) for _, (name, content) in dates(tmp_path / f"{n}")
    ]
    asked = {"pattern": "rel{orbit}_{date}_{band}.tif", "orbit": "12", "looks": "4.9,4.4", **UNIT}
    job = service.done(named, **asked)
    at_once = service.client.post("/change/series", files=named, data=asked)
    by_job = open_untrusted(result(service, job).content)
    np.testing.assert_array_equal(by_job.array, open_untrusted(at_once.content).array)
    (ref,) = service.desk.table.find(job["id"]).inputs.values()
    assert {each["orbit"] for each in ref["files"]} == {"12"}
    assert (len(ref["files"]), ref["looks"]) == (12, [4.9, 4.4])


def test_objects_of_allowed_buckets_may_be_dates(open_office, moto_store, tmp_path):
    bucket = Store(replace(moto_store, bucket=f"scenes-{uuid.uuid4().hex[:8]}"), QUICK)
    bucket.ensure_bucket()
    files = dates(tmp_path / "dates")
    for _, (name, content) in files[:6]:
        bucket.put_new(f"2023/{name}", content)
    uris = [f"s3://{bucket.access.bucket}/2023/{name}" for _, (name, _) in files[:6]]
    service = open_office(buckets=frozenset({bucket.access.bucket}))
    form = [*files[6:], *(("series_uri", (None, uri)) for uri in uris)]
    job = service.done(form, **UNIT)
    at_once = service.client.post("/change/series", files=files, data=UNIT)
    by_job = open_untrusted(result(service, job).content)
    np.testing.assert_array_equal(by_job.array, open_untrusted(at_once.content).array)
    (ref,) = service.desk.table.find(job["id"]).inputs.values()
    assert all(len(each["digest"]) == 64 for each in ref["files"])
    denied = service.post([*files, ("series_uri", (None, "s3://secrets/20240101_VV.tif"))], **UNIT)
    assert (denied.status_code, "not allowed" in denied.text) == (422, True)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"format": "png"}, 422, "format"),
        ({"format": "geojson", "output": "when"}, 422, "ask for format cog or zip"),
        ({"orbit": "9"}, 422, "no relative orbit named '9'"),
        ({"pattern": "{band}.tif"}, 422, "form field pattern"),
        ({"looks": "1,2,3"}, 422, "looks: expected 1 or 2"),
        ({"before_uri": "s3://scenes/a.tif"}, 422, "unknown input before"),
        ({"task": "despeckling", "format": "cog"}, 422, "format zip"),
        ({"task": "coregistration"}, 404, "promote one"),
    ],
)
def test_a_wrong_form_is_refused_at_once_and_leaves_nothing(service, tmp_path, fields, status, said):
    answer = service.post(dates(tmp_path / "dates"), **{**UNIT, **fields})
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert service.objects() == []
    assert service.client.get("/jobs").json() == {"jobs": []}


def test_too_few_dates_or_too_many_or_no_date_make_no_job(open_office, tmp_path):
    service = open_office(dates=5)
    for files, status, said in (
        (dates(tmp_path / "1", 1), 422, "expected at least 2 dates"),
        (dates(tmp_path / "6", 6), 413, "SWATH_MAX_DATES"),
        ([("series", ("S1_january.tif", b"x"))], 422, "'S1_january.tif'"),
    ):
        answer = service.post(files, **UNIT)
        assert answer.status_code == status
        assert said in answer.text
    assert service.objects() == []


def test_a_field_of_series_is_refused_among_scenes_and_a_scene_among_series(service, hall, runs):
    scene = {"noisy": b"II*\0"}
    assert "it is of time series" in service.post(scene, task="despeckling", orbit="7").text
    assert "format zip is of time series" in service.post(scene, task="despeckling", format="zip").text
    assert "is a time series; send its files" in service.post({"series_": b"x"}).text


def broken(path, how):
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif how == "two grids":
        write_plain(path, intensity((40, 50)), make_grid((40, 50), corner=(1e5, 4e6)), nodata=NAN)
    elif how == "decibels":
        write_plain(path, 10 * np.log10(intensity((40, 50))), nodata=NAN)
    else:
        path.write_bytes(b"<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>")


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("truncated", "BadScene", "20230208_VH.tif:"),
        ("two grids", "GridMismatch", "20230208_VH.tif"),
        ("decibels", "WrongInput", "20230208_VH.tif: declared as intensity"),
        ("vrt", "BadScene", "20230208_VH.tif:"),
    ],
)
@pytest.mark.parametrize("task", ["change", "despeckling"])
def test_a_date_that_cannot_be_used_fails_the_job_by_its_name(service, tmp_path, task, how, error, said):
    folder = write_dates(tmp_path / "dates", 6)
    broken(folder / "20230208_VH.tif", how)
    job = service.done(as_series(sorted(folder.iterdir())), task=task, **UNIT)
    assert (job["state"], job["error"], job["attempts"]) == ("failed", error, 1)
    assert said in job["reason"]
    assert "/tmp" not in job["reason"]
    assert "root:" not in job["reason"]
    assert service.objects() == []
    assert list((service.folder / "work").iterdir()) == []


def test_a_repeated_key_is_one_job_whatever_the_order_of_the_dates(service, tmp_path):
    files = dates(tmp_path / "dates")
    first, again = service.post(files, key="k", **UNIT), service.post(files[::-1], key="k", **UNIT)
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])
    assert service.post(files, key="k", looks="4", **UNIT).status_code == 409
    assert service.post(files[:-2], key="k", **UNIT).status_code == 409


def test_a_job_is_cancelled_between_dates(service, tmp_path, monkeypatch):
    url = service.post(dates(tmp_path / "dates"), task="despeckling", **UNIT).headers["Location"]
    predict, seen = OneDate.predict, []

    def cancelling(self, scenes):
        seen.append(scenes)
        if len(seen) == 2:
            assert service.client.delete(url).json()["state"] == "cancelled"
            time.sleep(0.5)
        return predict(self, scenes)

    monkeypatch.setattr(OneDate, "predict", cancelling)
    service.worker().run()
    assert 2 <= len(seen) < 6
    assert service.client.get(url).json()["state"] == "cancelled"
    assert service.objects() == []
    assert list((service.folder / "work").iterdir()) == []


@pytest.mark.service
def test_a_job_killed_among_its_dates_is_done_again_with_the_same_result(open_office, moto_store, tmp_path):
    service = open_office(rules=Rules(3, 2.5))
    files, told = dates(tmp_path / "dates"), {"X-Request-Id": "the-same"}

    def post():
        answer = service.post(files, task="despeckling", headers=told, **UNIT)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(id):
        return service.client.get(f"/jobs/{id}").json()

    env = os.environ | {
        "PYTHONPATH": str(PROJECT), "SWATH_PROJECT": str(tmp_path), "SWATH_STORE_ENDPOINT": moto_store.endpoint,
        "SWATH_STORE_SECRET_KEY": SECRET, "SWATH_STORE_BUCKET": "swath-tests", "SWATH_JOBS_LEASE_S": "2.5",
        "SWATH_JOBS_URL": f"sqlite:///{service.folder / 'jobs' / 'jobs.sqlite'}",
    }  # fmt: skip
    killed = post()
    command = [sys.executable, str(PROJECT / "tests" / "serving" / "radar_worker.py")]
    with subprocess.Popen([*command, "--parent", str(os.getpid())], cwd=PROJECT, env=env) as process:
        end = time.monotonic() + 90
        while job(killed)["tiles"]["done"] < 2 and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    assert 2 <= job(killed)["tiles"]["done"] < 6
    assert job(killed)["state"] == "running"
    undisturbed = post()
    time.sleep(3)  # the lease runs out
    service.worker(idle_s=1.0).run()
    again, whole = job(killed), job(undisturbed)
    assert (again["state"], again["attempts"], whole["attempts"]) == ("done", 2, 1), again
    assert again["result"]["digest"] == whole["result"]["digest"]
