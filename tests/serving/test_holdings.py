from __future__ import annotations

import gc
import weakref

import pytest

from components.deployment.loading import LoadedVersion
from serving.holdings import Holdings, OverBudget
from serving.slots import Slots
from tests.deployment.toy import CODE

MB = 1024**2


def a_version(name="a"):
    return LoadedVersion("run", name, None, "change", "", None, None, None, object())


def weights(folder, megabytes):
    folder.mkdir(exist_ok=True)
    (folder / "weights.safetensors").write_bytes(b"\0" * int(megabytes * MB))
    return folder


def test_a_version_costs_at_least_its_weights_and_at_most_the_golden_request_more(tmp_path):
    readings = iter([100, 100, 100, 5000])
    holdings = Holdings(1000, lambda: next(readings))
    holdings.load("a", weights(tmp_path / "a", 2), a_version)
    assert holdings.used_mb == 2
    holdings.load("b", weights(tmp_path / "b", 2), a_version)
    assert holdings.used_mb == 2 + 2 + 256


def test_a_version_that_does_not_fit_is_refused_with_the_numbers_before_it_is_loaded(tmp_path):
    holdings = Holdings(5, lambda: 0.0)
    holdings.load("a", weights(tmp_path / "a", 3), a_version)
    with pytest.raises(OverBudget, match=r"b needs 3.0 MB \(weights of 3.0 MB\), 3.0 of 5.0 MB.*SWATH_SLOTS_MB"):
        holdings.load("b", weights(tmp_path / "b", 3), lambda: pytest.fail("it was loaded"))


def test_a_version_that_grows_the_process_beyond_the_budget_is_let_go(tmp_path):
    readings = iter([100, 190])
    holdings = Holdings(50, lambda: next(readings))
    with pytest.raises(OverBudget, match=r"needs 90\.0 MB .* and the process grew"):
        holdings.load("a", weights(tmp_path / "a", 1), a_version)
    assert holdings.used_mb == 0


def test_an_old_version_is_freed_only_when_its_last_request_has_ended(slots, registry, run, make_version):
    registry.promote(run, make_version((1, 1)))
    slots.look()
    old = weakref.ref(slots.current(run).method)
    with slots.using(run) as first:
        with slots.using(run):
            registry.promote(run, make_version((2, 2)))
            slots.look()
            assert slots.as_json()["memory"]["draining"] == [{"run": run, "version": first.id, "requests": 2}]
        assert slots.as_json()["memory"]["draining"] == [{"run": run, "version": first.id, "requests": 1}]
        assert old().weight.tolist() == [1.0, 1.0]
    assert slots.as_json()["memory"]["draining"] == []
    del first
    gc.collect()
    assert old() is None


def test_a_promotion_without_room_is_listed_with_the_numbers_and_made_good_once_there_is_room(
    registry, run, make_version, tmp_path
):
    resident = [0.0]
    holdings = Holdings(100, lambda: resident.__setitem__(0, resident[0] + 30) or resident[0])
    names = [f"{run}-a", f"{run}-b", f"{run}-c", f"{run}-d"]
    slots = Slots(registry, tmp_path / "cache", lambda task: CODE, only=names, holdings=holdings)
    for name in names:
        registry.promote(name, make_version(name=name))
    slots.look()
    states = {model["run"]: model for model in slots.as_json()["models"]}
    assert [states[name]["state"] for name in names] == ["ready", "ready", "ready", "failed"]
    assert "90.0 of 100.0 MB are taken" in states[names[3]]["reason"]
    assert slots.ready
    registry.withdraw(names[0])
    slots.look()
    slots.look()
    assert slots.current(names[3])
