from __future__ import annotations

import io
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from components.deployment.manifest import MANIFEST
from components.deployment.registry import Registry
from components.errors import ServiceUnavailable, StoreUnavailable, VersionCorrupt, VersionNotFound
from components.storage.store import Store, StoreAccess, blob_key
from serving.slots import Slots
from tests.conftest import QUICK, free_endpoint
from tests.deployment.toy import CODE, toy_version, use_toy


def state(slots):
    return [(model["version"], model["promoted"], model["state"]) for model in slots.as_json()["models"]]


def test_no_promoted_run_at_all_is_ready(slots, run):
    assert not slots.ready
    slots.look()
    assert slots.ready
    with pytest.raises(VersionNotFound, match=f"promote one: swath promote {run}"):
        slots.current(run)


def test_a_service_that_has_not_looked_yet_asks_for_patience(slots, run):
    with pytest.raises(ServiceUnavailable, match="just started"):
        slots.current(run)
    slots.look()
    with pytest.raises(VersionNotFound):
        slots.current(run)


def test_a_promotion_and_a_rollback_are_followed(slots, registry, run, make_version):
    old, new = make_version((1, 1)), make_version((2, 2))
    for promote, serving in ((lambda: registry.promote(run, old), old), (lambda: registry.promote(run, new), new)):
        promote()
        slots.look()
        assert slots.current(run).id == serving
    registry.rollback(run)
    slots.look()
    assert slots.current(run).id == old


def test_a_request_under_way_keeps_the_version_it_started_with(slots, registry, run, make_version):
    registry.promote(run, make_version((1, 1)))
    slots.look()
    held = slots.current(run)
    registry.promote(run, make_version((2, 2)))
    slots.look()
    assert held.method.weight.tolist() == [1.0, 1.0]
    assert slots.current(run).method.weight.tolist() == [2.0, 2.0]


def test_a_version_of_other_code_is_refused_and_the_old_one_goes_on(slots, registry, run, make_version):
    old, other = make_version(), make_version((2, 2), code="0ther" * 8)
    registry.promote(run, old)
    slots.look()
    registry.promote(run, other)
    slots.look()
    assert state(slots) == [(old, other, "refused")]
    assert "made by code 0ther" in slots.as_json()["models"][0]["reason"]
    assert slots.current(run).id == old
    assert slots.ready


def test_a_version_that_fails_its_golden_request_is_not_swapped_in(slots, registry, run, make_version, monkeypatch):
    old, bad = make_version(), make_version((2, 2))
    registry.promote(run, old)
    slots.look()
    predict = "components.deployment.golden.predict"
    monkeypatch.setattr(predict, lambda method, inputs: {"change": inputs["before"], "probability": inputs["after"]})
    registry.promote(run, bad)
    slots.look()
    assert state(slots) == [(old, bad, "failed")]
    assert "golden request" in slots.as_json()["models"][0]["reason"]


def test_a_corrupt_version_is_listed_with_its_reason_and_spoils_no_other_run(registry, make_version, run, tmp_path):
    broken, sound = f"{run}-broken", f"{run}-sound"
    version = make_version((3.5, 0.25), name=broken)
    key = blob_key(registry.version(broken, version).digests["weights.safetensors"])
    registry.store.compare_and_swap(key, b"evil", registry.store.stat(key).etag)
    registry.promote(broken, version)
    registry.promote(sound, make_version(name=sound))
    slots = Slots(registry, tmp_path / "cache", lambda task: CODE, only=[broken, sound])
    slots.look()
    assert [model["state"] for model in slots.as_json()["models"]] == ["failed", "ready"]
    assert slots.ready
    with pytest.raises(ServiceUnavailable, match=r"weights\.safetensors holds other bytes"):
        slots.current(broken)


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "executed"))


def torch_file(payload):
    file = io.BytesIO()
    torch.save(payload, file)
    return file.getvalue()


def numpy_file(payload):
    file = io.BytesIO()
    np.save(file, np.array([payload], object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("made", [pickle.dumps, torch_file, numpy_file])
def test_malicious_weights_in_the_registry_are_refused_before_they_are_deserialised(
    slots, registry, run, tmp_path, monkeypatch, made
):
    use_toy(monkeypatch)
    folder, trace = toy_version(tmp_path / "v", run)[1], tmp_path / "trace"
    (folder / "weights.safetensors").write_bytes(made(Payload(trace)))
    (folder / MANIFEST).unlink()  # written anew: who can store a version can write its manifest, too
    registry.promote(run, registry.register(run, folder).id)
    slots.look()
    assert [(model["version"], model["state"]) for model in slots.as_json()["models"]] == [(None, "failed")]
    assert not trace.exists()


@pytest.mark.parametrize("name", ["weights.pt", "model.pkl", "state.npy", "version.zip"])
def test_a_file_of_another_kind_makes_no_version(registry, run, tmp_path, monkeypatch, name):
    use_toy(monkeypatch)
    folder = toy_version(tmp_path / "v", run)[1]
    (folder / name).write_bytes(b"anything")
    (folder / MANIFEST).unlink()
    with pytest.raises(VersionCorrupt, match=name):
        registry.register(run, folder)


def test_an_error_that_nobody_foresaw_is_listed_and_ends_nothing(slots, registry, run, make_version, monkeypatch):
    def explode(folder):
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("serving.slots.load_version", explode)
    registry.promote(run, make_version())
    slots.look()
    assert "ZeroDivisionError: nobody foresaw this" in slots.as_json()["models"][0]["reason"]


def test_a_withdrawn_run_leaves_its_slot(slots, registry, run, make_version):
    registry.promote(run, make_version())
    slots.look()
    registry.withdraw(run)
    slots.look()
    with pytest.raises(VersionNotFound):
        slots.current(run)


def test_a_store_out_of_reach_leaves_everything_as_it_is(slots, registry, run, make_version, monkeypatch):
    version = make_version()
    registry.promote(run, version)
    slots.look()

    def unreachable(*_):
        raise StoreUnavailable("the store fails")

    monkeypatch.setattr(registry, "moved", unreachable)
    slots.look()
    assert (slots.current(run).id, slots.ready) == (version, True)
    assert slots.as_json()["store"] == "the store fails"


def test_a_store_that_fails_during_a_load_is_asked_again(slots, registry, run, make_version, monkeypatch):
    version = make_version()
    registry.promote(run, version)

    def unreachable(*_):
        raise StoreUnavailable("the store fails")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "fetch", unreachable)
        slots.look()
        assert state(slots) == [(None, version, "failed")]
    slots.look()
    assert slots.current(run).id == version


def test_a_process_that_is_narrowed_to_other_runs_serves_none_of_these(registry, run, make_version, tmp_path):
    registry.promote(run, make_version())
    slots = Slots(registry, tmp_path / "cache", lambda task: CODE, only=["another-run"])
    slots.look()
    assert slots.loaded() == ()


def test_the_watch_outlives_a_store_that_is_down(tmp_path):
    registry = Registry(Store(StoreAccess(free_endpoint(), "a", "b"), QUICK))
    slots = Slots(registry, tmp_path, lambda task: CODE, poll_s=0.05)
    looks = threading.Semaphore(0)
    look, slots.look = slots.look, lambda: (look(), looks.release())
    slots.start()
    assert all(looks.acquire(timeout=10) for _ in range(3))
    slots.stop()
    assert not slots.ready


def test_the_watch_swaps_by_itself(registry, run, make_version, tmp_path):
    slots = Slots(registry, tmp_path / "cache", lambda task: CODE, only=[run], poll_s=0.05)
    slots.start()
    try:
        version = make_version()
        registry.promote(run, version)
        for _ in range(200):
            if slots.loaded():
                break
            threading.Event().wait(0.05)
        assert slots.current(run).id == version
    finally:
        slots.stop()
