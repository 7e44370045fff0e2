from __future__ import annotations

import errno
import json
import struct
import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from sqlalchemy import text

from components.deployment.registry import Registry
from components.errors import StoreUnavailable
from components.raster.opening import open_untrusted
from components.storage.store import Store
from serving.jobs.table import Claim, Progress, Rules
from serving.jobs.view import seconds_left
from serving.sizes import pixels_of
from serving.slots import Slots
from tests.conftest import QUICK
from tests.deployment.toy import CODE, GRID, Difference, toy_version, use_toy
from tests.serving.jobs import office
from tests.serving.postgres import postgres


@pytest.fixture(scope="module")
def registry(moto_store):
    return Registry(Store(moto_store, QUICK))


@pytest.fixture(scope="module")
def run():
    return f"toy-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def make_version(registry, run, tmp_path_factory):
    """Registers a toy version and says its id; the toy stands in for a task for the whole file."""

    def make(weight=(1.0, 1.0)):
        return registry.register(run, toy_version(tmp_path_factory.mktemp("toy"), run, weight)[1]).id

    with pytest.MonkeyPatch.context() as patch:
        use_toy(patch)
        yield make


@pytest.fixture(scope="module")
def hall(registry, run, make_version, tmp_path_factory):
    """Slots with the same version promoted before every test; what they loaded is kept for the file."""
    version = make_version()
    slots = Slots(registry, tmp_path_factory.mktemp("cache"), lambda task: CODE, only=[run])
    return slots, version


@pytest.fixture
def slots(hall, registry, run):
    slots, version = hall
    registry.promote(run, version)
    slots.look()
    return slots


@pytest.fixture
def open_office(slots, registry, tmp_path, decoders):
    """Opens job services of a table of their own."""
    with ExitStack() as opened:
        yield lambda **limits: opened.enter_context(
            office(slots, registry, tmp_path / uuid.uuid4().hex, decoders, **limits)
        )


@pytest.fixture
def service(open_office):
    return open_office()


@pytest.fixture
def bucket(moto_store):
    """An empty bucket beside that of the registry."""
    store = Store(replace(moto_store, bucket=f"scenes-{uuid.uuid4().hex[:8]}"), QUICK)
    store.ensure_bucket()
    return store


def test_a_job_is_accepted_worked_on_and_fetched(service, pair, run, slots):
    answer = service.post(pair, headers={"X-Request-Id": "my-request-1"})
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == f"/jobs/{accepted['id']}"
    assert (accepted["state"], accepted["result"], accepted["attempts"]) == ("queued", None, 0)
    assert service.woken.is_set()
    service.worker().run()
    job = service.client.get(f"/jobs/{accepted['id']}").json()
    version = slots.current(run).id
    assert (job["state"], job["version"], job["tiles"]) == ("done", version, {"done": 1, "all": 1})
    assert {"loading_s", "fetching_s", "predicting_s", "storing_s", "waited_s"} <= job["timings"].keys()
    result = service.client.get(job["result"]["url"])
    change = open_untrusted(result.content)
    assert change.grid.same_as(GRID)
    assert (change.array[0, :, :25] == 1).all()
    wanted = {"SWATH_RUN": run, "SWATH_VERSION": version, "SWATH_REQUEST": "my-request-1", "SWATH_OUTPUT": "change"}
    assert wanted.items() <= change.tags.items()
    assert result.headers["ETag"] == f'"{job["result"]["digest"]}"'


def test_a_job_gives_the_pixels_that_the_endpoint_gives(service, pair):
    job = service.done(pair, output="probability")
    at_once = service.client.post("/change", files=pair, data={"output": "probability"})
    by_job = service.client.get(job["result"]["url"])
    np.testing.assert_array_equal(open_untrusted(by_job.content).array, open_untrusted(at_once.content).array)


def test_geojson_of_a_job_equals_that_of_the_endpoint(service, pair):
    job = service.done(pair, format="geojson")
    result = service.client.get(job["result"]["url"])
    assert result.headers["content-type"] == "application/geo+json"
    assert json.loads(result.content) == service.client.post("/change", files=pair, data={"format": "geojson"}).json()


def test_the_answer_comes_after_the_row_and_the_inputs_are_stored(service, pair):
    id = service.post(pair).json()["id"]
    row = service.desk.table.find(id)
    keys = service.objects()
    assert len(keys) == 2
    assert all(any(key.endswith(ref["digest"]) for key in keys) for ref in row.inputs.values())
    assert list((service.folder / "intake").iterdir()) == []


def test_nothing_of_a_finished_job_stays_but_its_result(service, pair):
    service.done(pair)
    (key,) = service.objects()
    assert "/result/" in key
    assert list((service.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"task": "colours"}, 404, "colours"),
        ({"run": "change-nothing"}, 404, "promote one"),
        ({"output": "height"}, 422, "this run has change, probability"),
        ({"format": "png"}, 422, "format"),
        ({"output": "probability", "format": "geojson"}, 422, "ask for format cog"),
        ({"colour": "red"}, 422, "colour"),
        ({"unit": "bananas"}, 422, "unit"),
        ({"third_uri": "s3://scenes/a.tif"}, 422, "unknown input third"),
        ({"before_uri": "s3://scenes/a.tif"}, 422, "as a file and as a URI"),
    ],
)
def test_a_wrong_form_is_refused_and_leaves_nothing(service, pair, fields, status, said):
    answer = service.post(pair, **fields)
    assert answer.status_code == status
    assert said in answer.text
    assert service.objects() == []
    assert service.client.get("/jobs").json() == {"jobs": []}
    assert list((service.folder / "intake").iterdir()) == []


def test_missing_doubled_empty_and_unnamed_inputs_are_refused(service, pair, tif):
    for files, said in (
        ({"before": pair["before"]}, "missing input after"),
        ({**pair, "third": tif()}, "unknown input third"),
        ([*pair.items(), ("before", tif())], "before stands twice"),
        ({**pair, "after": b""}, "found an empty file"),
    ):
        answer = service.post(files)
        assert answer.status_code == 422
        assert said in answer.text
    assert service.post(pair, task="change" * 1000).status_code == 422
    assert service.client.post("/jobs?task=change", files=pair).status_code == 422
    assert service.client.post("/jobs", json={"task": "change"}).status_code == 422


@pytest.mark.parametrize("cut", [1, 60, -3])
def test_a_body_that_ends_early_is_no_job(service, pair, cut):
    whole = service.client.build_request("POST", "/jobs", files=pair, data={"task": "change"})
    content = whole.read()[:cut]
    answer = service.client.post("/jobs", content=content, headers={"Content-Type": whole.headers["Content-Type"]})
    assert answer.status_code == 400
    assert service.objects() == []


def test_a_file_above_the_limit_is_refused_while_it_streams(open_office, pair):
    service = open_office(file_mb=1)
    answer = service.post({**pair, "after": b"II*\0" + bytes(2 * 1024**2)})
    assert answer.status_code == 413
    assert "SWATH_MAX_LARGE_MB" in answer.text


def test_the_same_key_and_request_give_the_same_job(service, pair, registry, run, make_version, slots):
    first = service.post(pair, key="k-1")
    registry.withdraw(run)
    slots.look()
    again = service.post(pair, key="k-1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    other = service.post(pair, key="k-1", output="probability")
    assert other.status_code == 409
    assert first.json()["id"] in other.text
    assert len(service.client.get("/jobs").json()["jobs"]) == 1


def test_a_key_that_is_no_key_is_refused(service, pair):
    assert service.post(pair, key="k" * 201).status_code == 422


def test_a_job_keeps_the_version_that_it_was_accepted_with(service, pair, registry, run, make_version, slots):
    old = slots.current(run).id
    id = service.post(pair, output="probability").json()["id"]
    registry.promote(run, make_version((0.5, 0.5)))
    slots.look()
    service.worker().run()
    job = service.client.get(f"/jobs/{id}").json()
    assert job["version"] == old != slots.current(run).id
    chance = open_untrusted(service.client.get(job["result"]["url"]).content)
    np.testing.assert_allclose(chance.array[0, :, :25], 0.8, atol=1e-6)


def test_a_version_of_other_code_is_refused_by_the_worker(service, pair, monkeypatch):
    id = service.post(pair).json()["id"]
    worker = service.worker()
    monkeypatch.setattr(worker.workshop.versions, "_code_digest", lambda task: "0ther" * 8)
    worker.run()
    job = service.client.get(f"/jobs/{id}").json()
    assert (job["state"], job["error"]) == ("failed", "OtherCode")


def shifted(**changes):
    return replace(GRID, **changes)


@pytest.mark.parametrize(
    ("after", "error", "said"),
    [
        ({"bands": ("B04", "B11")}, "BandMismatch", "after: expected bands B04, B08, found B04, B11"),
        ({"unit": "db"}, "WrongInput", "expected unit reflectance, found db"),
        ({"unit": "digital_number"}, "WrongInput", "form field unit=reflectance"),
        ({"level": 3000.0}, "WrongInput", "found a median of 3000"),
        ({"grid": shifted(shape=(40, 51))}, "GridMismatch", "40x51"),
        ({"grid": shifted(crs=None)}, "WrongInput", "expected a CRS, found none"),
        ({"grid": shifted(transform=Affine(30, 0, 500_000, 0, -30, 4_900_000))}, "WrongInput", "found 30 x 30 m"),
    ],
)
def test_a_wrong_input_fails_at_once_and_says_why(service, tif, after, error, said):
    job = service.done({"before": tif(), "after": tif(**after)})
    assert (job["state"], job["error"], job["attempts"]) == ("failed", error, 1)
    assert said in job["reason"]
    assert "/tmp" not in job["reason"]
    answer = service.client.get(f"/jobs/{job['id']}/result")
    assert answer.status_code == 409
    assert said in answer.text
    assert service.objects() == []
    assert list((service.folder / "work").iterdir()) == []


def test_a_hostile_file_fails_its_job_only(service, pair):
    bad = service.done({**pair, "after": b"<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>"})
    assert (bad["state"], bad["error"]) == ("failed", "BadScene")
    assert "root:" not in bad["reason"]
    assert service.done(pair)["state"] == "done"


def test_a_unit_may_be_declared_where_the_file_names_none(service, tif):
    files = {"before": tif(0.1, unit="digital_number"), "after": tif(0.1, 0.4, unit="digital_number")}
    assert service.done(files, unit="reflectance")["state"] == "done"


def test_objects_of_allowed_buckets_may_be_inputs(open_office, pair, bucket):
    bucket.put_new("2024/06/after scene.tif", pair["after"])
    uri = f"s3://{bucket.access.bucket}/2024/06/after scene.tif"
    service = open_office(buckets=frozenset({bucket.access.bucket}))
    job = service.done({"before": pair["before"]}, after_uri=uri)
    at_once = service.done(pair)
    assert (job["state"], job["reason"]) == ("done", None)
    assert job["result"]["bytes"] == pytest.approx(at_once["result"]["bytes"], abs=200)
    assert service.desk.table.find(job["id"]).inputs["after"]["uri"] == uri
    assert len(service.desk.table.find(job["id"]).inputs["after"]["digest"]) == 64


def test_an_object_that_changed_since_fails_the_job(open_office, pair, bucket):
    bucket.put_new("a.tif", pair["after"])
    service = open_office(buckets=frozenset({bucket.access.bucket}))
    id = service.post({"before": pair["before"]}, after_uri=f"s3://{bucket.access.bucket}/a.tif").json()["id"]
    bucket.compare_and_swap("a.tif", pair["before"], bucket.stat("a.tif").etag)
    service.worker().run()
    job = service.client.get(f"/jobs/{id}").json()
    assert (job["state"], job["error"]) == ("failed", "BadScene")
    assert "changed since the job was accepted" in job["reason"]


@pytest.mark.parametrize(
    "uri",
    [
        "s3://secrets/a.tif", "s3://swath-tests/registry/x.json", "/vsicurl/http://169.254.169.254/latest", "file:///etc/passwd",
        "http://127.0.0.1/a.tif", "s3://scenes/../secrets/a.tif", "s3://scenes/a/./b", "s3://scenes//a", "s3://scenes/",
        "s3://scenes/a\nb", "s3:///a", "<VRTDataset/>", "s3://scenes/a?versionId=1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_allowed_is_refused(open_office, pair, uri):
    service = open_office(buckets=frozenset({"scenes"}))
    answer = service.post({"before": pair["before"]}, after_uri=uri)
    assert answer.status_code == 422
    assert "after_uri" in answer.text
    assert "root:" not in answer.text


def test_without_allowed_buckets_no_object_is_taken(service, pair, bucket):
    bucket.put_new("a.tif", pair["after"])
    answer = service.post({"before": pair["before"]}, after_uri=f"s3://{bucket.access.bucket}/a.tif")
    assert answer.status_code == 422
    assert "SWATH_INPUT_BUCKETS" in answer.text


@pytest.fixture
def finished(service, pair):
    """The address of a result and its bytes."""
    url = service.done(pair)["result"]["url"]
    return service.client, url, service.client.get(url).content


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("0-15", 0, 15), ("100-", 100, None), ("-7", -7, None), ("5-5", 5, 5), ("8-999999999", 8, None)],
)
def test_a_range_of_the_result_is_answered_in_part(finished, header, first, last):
    client, url, whole = finished
    answer = client.get(url, headers={"Range": f"bytes={header}"})
    wanted = whole[first:] if last is None else whole[first : last + 1]
    start = first % len(whole)
    assert (answer.status_code, answer.content) == (206, wanted)
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(whole)}"


@pytest.mark.parametrize("header", ["bytes=999999999-", "bytes=9-3", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(finished, header):
    client, url, whole = finished
    answer = client.get(url, headers={"Range": header})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=-"])
def test_a_range_of_another_kind_is_answered_with_the_whole(finished, header):
    client, url, whole = finished
    answer = client.get(url, headers={"Range": header})
    assert answer.content == whole if header != "bytes=-" else answer.status_code in (200, 416)


def test_conditional_requests_know_the_digest(finished):
    client, url, whole = finished
    head = client.head(url)
    tag = head.headers["ETag"]
    assert (head.status_code, int(head.headers["Content-Length"])) == (200, len(whole))
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(url, headers={"Range": "bytes=0-3", "If-Range": tag}).status_code == 206
    assert client.get(url, headers={"Range": "bytes=0-3", "If-Range": '"another"'}).content == whole


def test_a_waiting_job_is_cancelled_and_an_ended_one_removed(service, pair):
    url = service.post(pair).headers["Location"]
    cancelled = service.client.delete(url)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert service.objects() == []
    service.worker().run()
    assert service.client.get(url).json()["state"] == "cancelled"
    assert service.client.delete(url).status_code == 204
    assert service.client.get(url).status_code == 404
    done = service.done(pair)
    assert service.client.delete(f"/jobs/{done['id']}").status_code == 204
    assert service.objects() == []
    assert service.client.get(done["result"]["url"]).status_code == 404


def test_a_running_job_is_cancelled_between_tiles(service, tif, monkeypatch):
    seen, beats = [], threading.Event()
    files = {name: tif(0.1, grid=shifted(shape=(1024, 1100))) for name in ("before", "after")}
    url = service.post(files).headers["Location"]
    predict = Difference.predict

    def cancelling(self, scenes):
        seen.append(scenes["before"].grid.shape)
        if len(seen) == 2:
            assert service.client.delete(url).json()["state"] == "cancelled"
            beats.wait(1)
        return predict(self, scenes)

    worker = service.worker()
    worker.workshop.versions.load(*_version(service, url))
    monkeypatch.setattr(Difference, "predict", cancelling)
    worker.run()
    assert 2 <= len(seen) < 6
    assert service.client.get(url).json()["state"] == "cancelled"
    assert list((service.folder / "work").iterdir()) == []


def _version(service, url):
    job = service.desk.table.find(url.rsplit("/", 1)[1])
    return job.run, job.version


def test_the_newest_jobs_come_first(service, pair):
    ids = [service.post(pair).json()["id"] for _ in range(3)]
    assert [job["id"] for job in service.client.get("/jobs").json()["jobs"]] == ids[::-1]
    assert len(service.client.get("/jobs?newest=1").json()["jobs"]) == 1
    for query in ("newest=0", "newest=x", "newest=1000", "order=up"):
        assert service.client.get(f"/jobs?{query}").status_code == 422


def test_an_unknown_job_is_not_found(service):
    for method, path in (("GET", "/jobs/none"), ("DELETE", "/jobs/none"), ("GET", "/jobs/none/result")):
        assert service.client.request(method, path).status_code == 404


def test_a_full_queue_is_told_at_once(open_office, pair):
    service = open_office(waiting=1)
    assert service.post(pair).status_code == 202
    answer = service.post(pair)
    assert answer.status_code == 429
    assert "SWATH_JOBS_WAITING" in answer.text
    assert "Retry-After" in answer.headers


def test_a_store_that_fails_takes_no_job(service, pair, monkeypatch):
    def broken(*_):
        raise StoreUnavailable("the store fails")

    monkeypatch.setattr(Store, "put_file", broken)
    assert service.post(pair).status_code == 503
    assert service.client.get("/jobs").json() == {"jobs": []}


def test_a_store_that_fails_in_an_attempt_is_tried_again(service, pair, monkeypatch):
    id = service.post(pair).json()["id"]
    worker = service.worker()

    def broken(*_):
        raise StoreUnavailable("the store fails")

    monkeypatch.setattr("serving.jobs.loop.WAIT_S", 3600.0)
    with monkeypatch.context() as patch:
        patch.setattr(type(service.desk.files), "put_result", broken)
        worker.run()
        job = service.client.get(f"/jobs/{id}").json()
    assert (job["state"], job["attempts"], job["reason"]) == ("queued", 1, "the store fails")
    service.worker().run()
    assert service.client.get(f"/jobs/{id}").json()["state"] == "queued"
    with service.desk.table.engine.begin() as connection:
        connection.execute(text("UPDATE swath_jobs_1 SET not_before = 1"))  # an hour later
    service.worker().run()
    assert service.client.get(f"/jobs/{id}").json()["state"] == "done"


def test_what_nobody_foresaw_is_tried_so_often_and_says_its_kind_only(open_office, run, slots, pair, monkeypatch):

    def explode(self, scenes):
        raise ZeroDivisionError("/secret/path")

    service = open_office(rules=Rules(attempts=2))
    worker = service.worker()
    worker.workshop.versions.load(run, slots.current(run).id)
    poisonous = service.post(pair).json()["id"]
    monkeypatch.setattr(Difference, "predict", explode)
    worker.run()
    job = service.client.get(f"/jobs/{poisonous}").json()
    assert (job["state"], job["attempts"], job["error"]) == ("failed", 2, "ZeroDivisionError")
    assert "SWATH_JOBS_ATTEMPTS" in job["reason"]
    assert "secret" not in job["reason"]


@pytest.mark.service
def test_a_job_is_done_over_postgresql(open_office, pair):
    with postgres() as url:
        service = open_office(url=url)
        job = service.done(pair)
        assert job["state"] == "done"
        assert service.client.get(job["result"]["url"], headers={"Range": "bytes=0-3"}).content == b"II*\0"
        assert service.client.delete(f"/jobs/{job['id']}").status_code == 204


def test_a_table_out_of_reach_is_told_and_the_endpoints_go_on(service, pair):
    with service.desk.table.engine.begin() as connection:
        connection.execute(text("DROP TABLE swath_jobs_1"))
    answer = service.client.get("/jobs")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "the job table fails" in answer.text
    assert service.post(pair).status_code == 503
    assert service.client.post("/change", files=pair).status_code == 200


def test_a_full_disk_is_told_by_intake_and_worker(service, pair, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device", "/secret/path")
    id = service.post(pair).json()["id"]

    def broken(*_):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("serving.jobs.receiving._Parts._open", broken)
        answer = service.post(pair)
    assert answer.status_code == 507
    worker = service.worker()
    monkeypatch.setattr(type(worker.workshop.files), "put_result", broken)
    monkeypatch.setattr("serving.jobs.loop.WAIT_S", 0.0)
    worker.run()
    job = service.client.get(f"/jobs/{id}").json()
    assert (job["state"], job["attempts"]) == ("failed", 3)
    for said in (answer.text, job["reason"]):
        assert "No space left on device" in said
        assert "secret" not in said
    assert list((service.folder / "intake").iterdir()) == list((service.folder / "work").iterdir()) == []


def test_a_job_that_takes_too_long_has_failed(service, pair, monkeypatch):
    id = service.post(pair).json()["id"]
    worker = service.worker(wall_s=0.1)
    fetch = worker.workshop.files.get_input
    monkeypatch.setattr(type(worker.workshop.files), "get_input", lambda self, *a: (time.sleep(0.3), fetch(*a))[1])
    worker.run()
    job = service.client.get(f"/jobs/{id}").json()
    assert (job["state"], job["error"]) == ("failed", "TooLong")
    assert "SWATH_JOBS_WALL_S" in job["reason"]


def test_seconds_left_follow_the_pace_so_far(service, pair):
    table = service.desk.table
    service.post(pair)
    job = table.claim("w")
    claim = Claim(job.id, job.fence)
    assert table.renew(claim, Progress("fetching"))
    assert seconds_left(table.find(job.id), table.now()) is None
    assert table.renew(claim, Progress("predicting", 0, 0))
    since = table.find(job.id).computing_since
    assert table.renew(claim, Progress("predicting", 25, 100))
    row = table.find(job.id)
    assert row.computing_since == since
    row.progress_at = since + 10.0
    assert seconds_left(row, since + 12.0) == pytest.approx(28.0)
    assert seconds_left(row, since + 99.0) == 0.0
    seen = service.client.get(f"/jobs/{job.id}")
    assert seen.json()["tiles"] == {"done": 25, "all": 100}
    assert "Retry-After" in seen.headers


def header(cols, rows, order="<", big=False):
    """The first bytes of a TIFF that says it is so large."""
    first = struct.pack(f"{order}HHQQ", 43, 8, 16, 2) if big else struct.pack(f"{order}HIH", 42, 8, 2)
    layout = f"{order}HHQI4x" if big else f"{order}HHII"
    entries = b"".join(struct.pack(layout, tag, 4, 1, edge) for tag, edge in ((256, cols), (257, rows)))
    first = first.replace(struct.pack(f"{order}QQ", 16, 2), struct.pack(f"{order}HQQ", 0, 16, 2)) if big else first
    return (b"II" if order == "<" else b"MM") + first + entries


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_raster_above_the_size_of_a_request_is_sent_to_the_jobs(service, pair, order, big):
    answer = service.client.post("/change", files={**pair, "after": header(8000, 8001, order, big)})
    assert answer.status_code == 413
    assert "after: 64.0 megapixels" in answer.text
    assert "POST /jobs" in answer.text
    assert service.client.post("/change", files={**pair, "after": header(8000, 8000, order, big)}).status_code == 400


def test_the_size_of_what_is_no_tiff_is_not_guessed(tif):
    assert pixels_of(tif()) == 40 * 50
    for content in (b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"PK\x03\x04", header(9, 9)[:12]):
        assert pixels_of(content) == 0


def test_jobs_are_told_in_the_document(service):
    paths = service.client.get("/openapi.json").json()["paths"]
    assert {"/jobs", "/jobs/{id}", "/jobs/{id}/result"} <= paths.keys()
    assert "206" in paths["/jobs/{id}/result"]["get"]["responses"]
