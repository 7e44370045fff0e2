import pytest
from pydantic import Field

from components.errors import BadParams
from components.tasks.params import CrossValidation, LimitParams, Params, PlaceSplit, RunParams, options, read_params

GOOD = """
task: change
dataset: sandbox-optical
description: a run
split: {kind: places, train: [a], val: [b], test: [c], guard_m: 100}
"""


def written(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def test_a_file_with_the_least_is_filled_with_defaults(tmp_path):
    params = read_params(written(tmp_path, GOOD))
    assert params.split.folds()[0].train == {"a"}
    assert params.training.patience == 8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("training: {epoch: 3}", "training.epoch: Extra inputs"),
        ("training: {lr: -1}", "training.lr: Input should be greater"),
        ("seed: soon", "seed: Input should be a valid integer"),
        ("split: {kind: places, train: [a], val: [a], test: [c]}", "a place stands in more than one split"),
        ("split: {kind: folds, groups: [[a], [b]]}", "split.folds.groups: Tuple should have at least 3"),
        ("split: [", "while parsing"),
    ],
)
def test_a_wrong_file_names_file_and_key(tmp_path, line, message):
    with pytest.raises(BadParams, match=r"run\.yaml") as caught:
        read_params(written(tmp_path, GOOD + line))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadParams, match="No such file"):
        read_params(tmp_path / "run.yaml")


def test_every_group_is_the_test_once_and_the_validation_once():
    folds = CrossValidation(groups=(("a", "b"), ("c",), ("d",), ("e",))).folds()
    assert sorted(place for fold in folds for place in fold.test) == list("abcde")
    assert sorted(place for fold in folds for place in fold.val) == list("abcde")


def test_no_place_stands_in_two_splits_of_a_fold():
    for fold in CrossValidation(groups=(("a", "b"), ("c",), ("d",))).folds():
        assert len(fold.train | fold.val | fold.test) == len(fold.train) + len(fold.val) + len(fold.test) == 4


def test_a_place_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="more than one group"):
        CrossValidation(groups=(("a",), ("b",), ("a",)))


def test_params_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        PlaceSplit(train=("a",), val=("b",), test=("c",)).guard_m = 3.0


def test_a_tasks_own_section_is_as_strict():
    class Crops(Params):
        size_px: int = Field(96, ge=8)

    assert options(Crops, {"size_px": 64}, "run").size_px == 64
    with pytest.raises(BadParams, match="run: size: Extra"):
        options(Crops, {"size": 64}, "run")


def test_the_gate_needs_units_unless_told_otherwise():
    assert LimitParams().min_units == 8
    assert RunParams.model_fields["split"].is_required()
