from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from components.errors import StoreUnavailable
from components.settings import Settings
from components.storage.store import Store
from serving.jobs import files as job_files
from serving.jobs.database import job_database
from serving.jobs.files import JobFiles
from serving.jobs.housekeeping import remove_orphans, remove_outlived
from serving.jobs.results import PIECE_BYTES, Stored, answer_with
from serving.jobs.setup import names_of
from serving.jobs.table import Claim, JobTable, Outcome
from tests.conftest import QUICK
from tests.serving.jobs import asked


@pytest.fixture
def table(tmp_path):
    table = JobTable(job_database("", tmp_path))
    yield table
    table.engine.dispose()


@pytest.fixture
def files(moto_store, table):
    return JobFiles(Store(moto_store, QUICK), table.name)


@pytest.fixture
def stored(files, tmp_path):
    """Puts an input and a result of a job."""

    def put(id):
        path = tmp_path / "bytes"
        path.write_bytes(uuid.uuid4().bytes)
        files.put_input(id, path)
        files.put_result(id, path)

    return put


def ended(table):
    job = table.accept(asked(uuid.uuid4().hex))[0]
    claimed = table.claim("w")
    table.finish(Claim(claimed.id, claimed.fence), Outcome("d" * 64, 1))
    return job.id


def keys(files):
    return [stat.key for stat in files.store.list(f"jobs/{files.table}/")]


def test_an_ended_job_goes_with_its_objects_once_it_is_old(table, files, stored):
    old = ended(table)
    waiting = table.accept(asked("w"))[0].id
    for id in (old, waiting):
        stored(id)
    assert remove_outlived(table, files, keep_days=1.0) == 0
    assert remove_outlived(table, files, keep_days=-1.0) == 1
    assert table.find(old) is None
    assert {key.split("/")[2] for key in keys(files)} == {waiting}


def test_a_job_stays_in_the_table_until_its_objects_are_gone(table, files, stored, monkeypatch):
    old = ended(table)
    stored(old)

    def broken(*_):
        raise StoreUnavailable("the store fails")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "list", broken)
        assert remove_outlived(table, files, keep_days=-1.0) == 0
        remove_orphans(table, files)
    assert table.find(old) is not None
    assert remove_outlived(table, files, keep_days=-1.0) == 1


def test_objects_without_a_job_go_after_a_day_and_no_others(table, files, stored, monkeypatch, tmp_path):
    known = table.accept(asked("k"))[0].id
    other = JobFiles(files.store, uuid.uuid4().hex)
    stored(known)
    stored("1" * 32)
    (tmp_path / "theirs").write_bytes(b"theirs")
    other.put_input("2" * 32, tmp_path / "theirs")
    remove_orphans(table, files)
    assert len(keys(files)) == 4
    monkeypatch.setattr(job_files, "ORPHANED_AFTER", timedelta(seconds=-60))
    remove_orphans(table, files)
    assert {key.split("/")[2] for key in keys(files)} == {known}
    assert len(keys(other)) == 1


def test_a_large_result_leaves_in_pieces(monkeypatch):
    content, asked_for = bytes(range(256)) * (PIECE_BYTES // 100), []

    def read(start, length):
        asked_for.append(length)
        return content[start : start + length]

    stored = Stored("d" * 64, len(content), "image/tiff", read)
    app = Starlette(routes=[Route("/", lambda request: answer_with(stored, request.headers, request.method, {}))])
    client = TestClient(app)
    assert client.get("/").content == content
    assert max(asked_for) == PIECE_BYTES
    answer = client.get("/", headers={"Range": f"bytes=1000-{PIECE_BYTES + 2000}"})
    assert answer.content == content[1000 : PIECE_BYTES + 2001]


def test_settings_become_limits(tmp_path):
    settings = Settings(project=tmp_path, max_large_megapixels=10_000, input_buckets=" a, b,,")
    assert settings.large_limits.pixels == 10_000_000_000
    assert names_of(settings.input_buckets) == {"a", "b"}
    assert "hunter2" not in str(Settings(project=tmp_path, jobs_url="postgresql://me:hunter2@host/db").model_dump())
