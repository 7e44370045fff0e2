import numpy as np
import pytest
import torch

from components.errors import UnknownName, VersionCorrupt
from components.tasks.bundle import RELEASED, load_module, load_state, module_state, require_arrays, save_state

STATE = {"b": np.arange(6, dtype="float32").reshape(2, 3), "a": np.array(3, dtype="int64")}


def test_what_is_saved_is_loaded(tmp_path):
    save_state(tmp_path, RELEASED, STATE, {"mean": [0.1, 0.2]})
    state, preprocessing = load_state(tmp_path)
    assert preprocessing == {"mean": [0.1, 0.2]}
    assert set(state) == set(STATE)
    assert all(np.array_equal(state[n], STATE[n]) and state[n].dtype == STATE[n].dtype for n in STATE)


def test_the_same_numbers_give_the_same_bytes_in_any_order(tmp_path):
    save_state(tmp_path, "one", STATE, {"x": 1, "y": 2})
    save_state(tmp_path, "two", dict(reversed(STATE.items())), {"y": 2, "x": 1})
    for suffix in ("safetensors", "json"):
        assert (tmp_path / f"folds/one.{suffix}").read_bytes() == (tmp_path / f"folds/two.{suffix}").read_bytes()


def test_views_that_are_not_contiguous_are_saved_right(tmp_path):
    save_state(tmp_path, RELEASED, {"t": STATE["b"].T}, {})
    assert np.array_equal(load_state(tmp_path)[0]["t"], STATE["b"].T)


def test_missing_weights_name_those_that_exist(tmp_path):
    save_state(tmp_path, "fold-0", STATE, {})
    with pytest.raises(UnknownName, match="'weights'; known: fold-0"):
        load_state(tmp_path)


@pytest.mark.parametrize("file", ["weights.safetensors", "preprocessing.json"])
def test_a_torn_file_is_refused(tmp_path, file):
    save_state(tmp_path, RELEASED, STATE, {"x": 1})
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VersionCorrupt, match="cannot be read"):
        load_state(tmp_path)


def test_preprocessing_that_is_not_a_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_state(tmp_path, RELEASED, STATE, {"mean": float("nan")})
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": STATE["a"]}, "extra: c"),
        ({"a": None}, "missing: a"),
        ({"a": np.zeros(2, "int64")}, r"a is int64 \(2,\), expected int64 \(\)"),
        ({"a": np.array(3.0)}, "a is float64"),
    ],
)
def test_arrays_other_than_expected_are_named(change, message):
    expected = {name: (array.shape, str(array.dtype)) for name, array in STATE.items()}
    state = {name: array for name, array in {**STATE, **change}.items() if array is not None}
    with pytest.raises(VersionCorrupt, match=message):
        require_arrays(state, expected, "v1")


def test_a_module_goes_through_its_state_unchanged():
    torch.manual_seed(0)
    one, two = (torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)) for _ in range(2))
    load_module(two, module_state(one), "v1")
    assert not two.training
    assert all(torch.equal(one.state_dict()[name], two.state_dict()[name]) for name in one.state_dict())


def test_a_state_does_not_change_with_the_module_it_came_from():
    module = torch.nn.Linear(1, 1)
    state = module_state(module)
    kept = state["weight"].copy()
    torch.nn.init.constant_(module.weight, 7.0)
    assert np.array_equal(state["weight"], kept)
