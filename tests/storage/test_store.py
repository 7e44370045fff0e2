from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.errors import ObjectNotFound, StoreUnavailable
from components.storage.store import Store, StoreAccess, blob_key
from tests.conftest import QUICK, SECRET, free_endpoint


@pytest.fixture
def key():
    return f"tests/{uuid.uuid4().hex}"


def test_conditional_writes_pass_the_probe(store):
    store.probe_conditional_writes()
    assert not store.list("probe/")


def test_a_key_is_created_once(store, key):
    assert store.put_new(key, b"first")
    assert not store.put_new(key, b"second")
    assert store.get(key).data == b"first"


def test_a_swap_needs_the_right_entity_tag(store, key):
    first = store.compare_and_swap(key, b"1", None)
    second = store.compare_and_swap(key, b"2", first)
    assert store.compare_and_swap(key, b"3", first) is None
    assert store.get(key).data == b"2"
    assert store.get(key).etag == second == store.stat(key).etag


def test_a_swap_of_a_missing_key_is_refused(store, key):
    assert store.compare_and_swap(key, b"1", "0" * 32) is None
    assert not store.exists(key)


def test_of_many_swaps_at_once_one_wins(store, key):
    tag = store.compare_and_swap(key, b"start", None)
    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(lambda n: store.compare_and_swap(key, f"writer {n}".encode(), tag), range(8)))
    winners = [n for n, new in enumerate(tags) if new]
    assert len(winners) == 1
    assert store.get(key).data == f"writer {winners[0]}".encode()


def test_a_blob_lies_under_its_digest(store):
    data = uuid.uuid4().bytes
    key = store.put_blob(data)
    assert key == blob_key(hashlib.sha256(data).hexdigest()) == store.put_blob(data)
    assert store.get(key).data == data


def test_a_large_file_comes_back_whole(store, tmp_path):
    source = tmp_path / "large.bin"
    source.write_bytes(uuid.uuid4().bytes * 450_000)  # 7.2 MB: more than one part of the SDK
    key = store.put_file(source)
    digest = store.get_file(key, tmp_path / "deep" / "back.bin")
    assert key == blob_key(digest)
    assert (tmp_path / "deep" / "back.bin").read_bytes() == source.read_bytes()


def test_an_object_that_did_not_change_is_not_sent_again(store, key):
    store.put_new(key, b"one")
    first = store.get(key).etag
    assert store.get_if_changed(key, first) is None
    second = store.compare_and_swap(key, b"two", first)
    found = store.get_if_changed(key, first)
    assert (found.data, found.etag) == (b"two", second)
    with pytest.raises(ObjectNotFound):
        store.get_if_changed(f"{key}-missing", first)


def test_a_missing_object_has_a_name(store, tmp_path):
    for call in (store.get, store.stat, lambda key: store.get_file(key, tmp_path / "x")):
        with pytest.raises(ObjectNotFound, match="swath-tests/no/such/key"):
            call("no/such/key")
    assert not any(tmp_path.iterdir())


def test_a_listing_names_keys_sizes_and_tags(store, key):
    for name in ("b", "a/c"):
        store.put_new(f"{key}/{name}", name.encode())
    stats = store.list(f"{key}/")
    assert [(s.key, s.size) for s in stats] == [(f"{key}/a/c", 3), (f"{key}/b", 1)]
    assert stats[0] == store.stat(f"{key}/a/c")


def test_a_stopped_store_is_named_without_its_secret():
    access = StoreAccess(free_endpoint(), "swath", SECRET)
    with pytest.raises(StoreUnavailable, match=rf"{access.endpoint}/swath/some/key.*swath up") as caught:
        Store(access, QUICK).put_new("some/key", b"")
    assert SECRET not in f"{caught.value} {access!r} {caught.getrepr()}"


def test_a_store_without_a_secret_key_is_refused_at_once():
    with pytest.raises(StoreUnavailable, match="SWATH_STORE_SECRET_KEY"):
        Store(StoreAccess("127.0.0.1:1", "swath", ""))


@pytest.mark.service
def test_wrong_credentials_are_one_sentence_and_tried_once(object_store, caplog):
    wrong = StoreAccess(object_store.endpoint, "swath", "not-the-secret", object_store.bucket)
    for call in (lambda s: s.get("k"), lambda s: s.put_new("k", b"x")):
        with pytest.raises(StoreUnavailable, match="refuses the credentials") as caught:
            call(Store(wrong))
        assert "not-the-secret" not in str(caught.value) + caplog.text
        assert "Signature=" not in str(caught.value) + caplog.text
