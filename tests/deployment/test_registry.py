from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.deployment.manifest import write_manifest
from components.deployment.registry import Registry
from components.errors import PromotionConflict, SwathError, VersionCorrupt, VersionNotFound
from components.storage.store import blob_key


@pytest.fixture
def registry(store):
    return Registry(store)


@pytest.fixture
def run():
    return f"run-{uuid.uuid4().hex[:8]}"


def draft(folder, weights=b"weights"):
    (folder / "folds").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "folds" / "fold-0.safetensors").write_bytes(b"fold")
    (folder / "params.yaml").write_text("task: change\n")
    return folder


@pytest.fixture
def versions(registry, run, tmp_path):
    """Three registered versions."""
    return [registry.register(run, draft(tmp_path / f"draft-{n}", bytes([n]))).id for n in range(3)]


def test_registering_the_same_bytes_twice_gives_the_same_version(registry, run, tmp_path):
    first = registry.register(run, draft(tmp_path / "a"))
    second = registry.register(run, draft(tmp_path / "b"))
    assert first == second
    assert registry.versions(run) == (first.id,)
    assert set(first.digests) == {"weights.safetensors", "folds/fold-0.safetensors", "params.yaml"}


def test_a_fetched_version_holds_the_registered_bytes(registry, run, tmp_path):
    version = registry.register(run, draft(tmp_path / "draft"))
    folder = registry.fetch(run, version.id, tmp_path / "cache")
    assert (folder / "folds" / "fold-0.safetensors").read_bytes() == b"fold"
    assert registry.fetch(run, version.id, tmp_path / "cache") == folder
    assert registry.register(run, folder) == version


def test_a_registration_that_was_cut_short_leaves_no_version(registry, run, tmp_path, monkeypatch):
    def cut(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.store, "put_file", cut)
    with pytest.raises(KeyboardInterrupt):
        registry.register(run, draft(tmp_path / "draft"))
    assert registry.versions(run) == ()


def test_nothing_is_promoted_at_first(registry, run, versions):
    assert registry.promoted(run) is None
    assert run not in registry.pointers()


def test_promotion_and_rollback_keep_the_history(registry, run, versions):
    a, b, c = versions
    for version in (a, b):
        registry.promote(run, version)
    assert registry.rollback(run).version == a
    registry.promote(run, c)
    assert registry.rollback(run).version == a
    assert [(m.n, m.version, m.action) for m in registry.history(run)] == [
        (1, a, "promote"), (2, b, "promote"), (3, a, "rollback"), (4, c, "promote"), (5, a, "rollback"),
    ]  # fmt: skip
    with pytest.raises(VersionNotFound, match="no earlier version"):
        registry.rollback(run)


def test_a_promotion_moves_the_pointer_s_tag_and_a_repeated_one_does_not(registry, run, versions):
    first = registry.promote(run, versions[0])
    tag = registry.pointers()[run]
    assert registry.promote(run, versions[0]) == first
    assert registry.pointers()[run] == tag
    registry.promote(run, versions[1])
    assert registry.pointers()[run] != tag


def test_a_pointer_that_did_not_move_says_nothing_and_one_that_did_says_where(registry, run, versions):
    assert registry.moved(run, None) == (None, "")
    assert registry.moved(run, "") is None
    promotion = registry.promote(run, versions[0])
    found, tag = registry.moved(run, "")
    assert found == promotion
    assert registry.moved(run, tag) is None
    registry.promote(run, versions[1])
    assert registry.moved(run, tag)[0].version == versions[1]


def test_a_withdrawn_run_has_no_version_in_service(registry, run, versions):
    registry.promote(run, versions[0])
    registry.withdraw(run)
    assert registry.promoted(run) is None
    assert registry.promote(run, versions[1]).n == 3


def test_a_promotion_against_another_expectation_is_told(registry, run, versions):
    registry.promote(run, versions[0], expected=None)
    with pytest.raises(PromotionConflict, match=versions[0]):
        registry.promote(run, versions[1], expected=None)
    assert registry.promote(run, versions[1], expected=versions[0]).version == versions[1]


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(registry, run, versions, monkeypatch):
    moves = registry._moves(run)
    monkeypatch.setattr(registry, "_moves", lambda run: moves)  # both read the pointer before either writes

    def promote(version):
        try:
            return registry.promote(run, version).version
        except PromotionConflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(promote, versions[:2]))
    monkeypatch.undo()
    assert told.count(None) == 1
    assert registry.promoted(run).version in told


def test_an_unknown_version_is_neither_promoted_nor_fetched(registry, run, tmp_path):
    for version in ("0" * 16, "../../etc/passwd", ""):
        for call in (lambda v: registry.promote(run, v), lambda v: registry.fetch(run, v, tmp_path)):
            with pytest.raises(VersionNotFound):
                call(version)


def test_a_version_of_another_run_is_refused(registry, run, tmp_path):
    folder = draft(tmp_path / "draft")
    write_manifest("another-run", folder)
    with pytest.raises(VersionCorrupt, match="another-run"):
        registry.register(run, folder)


def overwrite(store, key, data):
    assert store.compare_and_swap(key, data, store.stat(key).etag)


def test_a_changed_byte_in_the_store_is_refused_by_name(registry, run, tmp_path):
    version = registry.register(run, draft(tmp_path / "draft", uuid.uuid4().bytes))
    overwrite(registry.store, blob_key(version.digests["weights.safetensors"]), b"evil")
    with pytest.raises(VersionCorrupt, match=r"weights.safetensors holds other bytes"):
        registry.fetch(run, version.id, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_missing_file_in_the_store_is_refused_by_name(registry, run, tmp_path):
    version = registry.register(run, draft(tmp_path / "draft", uuid.uuid4().bytes))
    registry.store.remove(blob_key(version.digests["weights.safetensors"]))
    with pytest.raises(VersionCorrupt, match=r"weights.safetensors is missing from the store"):
        registry.fetch(run, version.id, tmp_path / "cache")


def test_an_edited_manifest_is_refused(registry, run, tmp_path):
    version = registry.register(run, draft(tmp_path / "draft"))
    key = f"versions/{run}/{version.id}.json"
    edited = json.loads(registry.store.get(key).data)
    edited["files"]["weights.safetensors"] = edited["files"]["params.yaml"]
    overwrite(registry.store, key, json.dumps(edited).encode())
    for call in (lambda: registry.fetch(run, version.id, tmp_path / "c"), lambda: registry.promote(run, version.id)):
        with pytest.raises(VersionCorrupt, match="edited"):
            call()


@pytest.mark.parametrize("name", ["run_a", "../x", "", "A"])
def test_a_run_with_an_odd_name_is_refused(registry, name, tmp_path):
    with pytest.raises(SwathError):
        registry.register(name, draft(tmp_path / "draft"))
