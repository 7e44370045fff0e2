"""A prefix of a bucket becomes a folder: two kinds of S3, listed once, fetched once."""

from __future__ import annotations

import uuid

import pytest

from components.errors import SourceUnavailable
from components.ingestion import digests
from components.ingestion.ingest import ingest
from components.ingestion.mirror import INDEX, mirror
from components.storage.store import Store
from tests.ingestion.folders import declare, numbers, source_folder
from tests.scenes import make_grid, write_plain


@pytest.fixture
def prefix(store):
    """Five objects below a prefix of their own."""
    name = f"mirror/{uuid.uuid4().hex}"
    for number in range(5):
        store.put_new(f"{name}/a/{number}.bin", bytes([number]) * (number + 1))
    return name


def counted(monkeypatch, name):
    calls = []
    original = getattr(Store, name)
    monkeypatch.setattr(Store, name, lambda self, *rest: calls.append(rest) or original(self, *rest))
    return calls


def test_objects_become_files_by_the_rest_of_their_keys(store, prefix, tmp_path):
    report = mirror(store, prefix, tmp_path)
    assert (report.fetched, report.unchanged, report.removed) == (5, 0, 0)
    assert (tmp_path / "a" / "3.bin").read_bytes() == bytes([3]) * 4


def test_a_second_look_is_one_listing_and_no_object(store, prefix, tmp_path, monkeypatch):
    mirror(store, prefix, tmp_path)
    fetched, asked, listed = (counted(monkeypatch, name) for name in ("get_file", "stat", "list"))
    report = mirror(store, prefix, tmp_path)
    assert (report.fetched, report.unchanged) == (0, 5)
    assert (len(fetched), len(asked), len(listed)) == (0, 0, 1)


def test_only_what_changed_is_fetched_and_what_is_gone_goes(store, prefix, tmp_path):
    mirror(store, prefix, tmp_path)
    (tmp_path / "mine.txt").write_text("left alone")
    tag = store.stat(f"{prefix}/a/1.bin").etag
    store.compare_and_swap(f"{prefix}/a/1.bin", b"xy", tag)  # the same size as before
    store.remove(f"{prefix}/a/4.bin")
    report = mirror(store, prefix, tmp_path)
    assert (report.fetched, report.unchanged, report.removed) == (1, 3, 1)
    assert (tmp_path / "a" / "1.bin").read_bytes() == b"xy"
    assert not (tmp_path / "a" / "4.bin").exists()
    assert (tmp_path / "mine.txt").exists()


def test_a_file_that_was_lost_or_cut_here_is_fetched_again(store, prefix, tmp_path):
    mirror(store, prefix, tmp_path)
    (tmp_path / "a" / "0.bin").unlink()
    (tmp_path / "a" / "2.bin").write_bytes(b"")
    assert mirror(store, prefix, tmp_path).fetched == 2


def test_what_arrived_before_a_failure_is_kept(store, prefix, tmp_path, monkeypatch):
    original = Store.get_file

    def failing(self, key, path):
        if key.endswith("4.bin"):
            raise SourceUnavailable("it broke")
        return original(self, key, path)

    monkeypatch.setattr(Store, "get_file", failing)
    with pytest.raises(SourceUnavailable, match="it broke"):
        mirror(store, prefix, tmp_path, downloads=1)
    monkeypatch.undo()
    assert mirror(store, prefix, tmp_path).fetched == 1


def test_a_neighbouring_prefix_is_another_one(store, prefix, tmp_path):
    store.put_new(f"{prefix}-other/a.bin", b"1")
    mirror(store, prefix, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, "a"]


def test_a_key_that_would_leave_the_folder_is_refused_by_name(moto_store, tmp_path):
    store = Store(moto_store)
    name = f"mirror/{uuid.uuid4().hex}"
    store.put_new(f"{name}/good.bin", b"1")
    store.put_new(f"{name}/up\\..\\bad.bin", b"1")
    report = mirror(store, name, tmp_path)
    assert (report.fetched, report.refused) == (1, ("up\\..\\bad.bin",))


def test_an_empty_prefix_is_an_error_and_no_empty_dataset(store, tmp_path):
    with pytest.raises(SourceUnavailable, match="no object lies below it"):
        mirror(store, f"nothing/{uuid.uuid4().hex}", tmp_path)


def test_scenes_of_a_bucket_come_in_once(moto_store, tmp_path, monkeypatch):
    store, name = Store(moto_store), f"mirror/{uuid.uuid4().hex}"
    folder = source_folder(tmp_path)
    for path in folder.rglob("*.tif"):
        store.put_new(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    dataset = declare(tmp_path, source={"bucket": "swath-tests", "prefix": name})
    mirror(store, name, tmp_path / "mirrored")
    memory = tmp_path / "digests.json"
    assert len(ingest(tmp_path / "mirrored", dataset, remember=memory).ingested) == 3
    mirror(store, name, tmp_path / "mirrored")
    assert len(ingest(tmp_path / "mirrored", dataset, remember=memory).skipped) == 3


def test_digests_are_remembered_and_a_changed_source_is_noticed(tmp_path, monkeypatch):
    folder, dataset, memory = source_folder(tmp_path), declare(tmp_path), tmp_path / "digests.json"
    monkeypatch.setattr(digests, "SETTLED_NS", -1)
    ingest(folder, dataset, remember=memory)
    ingest(folder, dataset, remember=memory)
    read = []
    original = digests.sha256
    monkeypatch.setattr(digests, "sha256", lambda path: read.append(path.name) or original(path))
    assert len(ingest(folder, dataset, remember=memory).skipped) == 3
    assert read == []
    path = folder / "pre" / "b_2.tif"
    write_plain(path, numbers(7), make_grid((24, 20)))
    assert ingest(folder, dataset, remember=memory).ingested == ("b_2",)
    assert read.count("b_2.tif") == 1
