from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from components.errors import UnknownName, VersionCorrupt
from components.inference.tiled import predict
from components.tasks import load_run, run_names, task_names
from components.tasks.bundle import load_state, restore
from components.tasks.seam import Fitted, Methods, Network, Restorable
from components.training.prepare import prepare_run
from components.training.stage import Stage, train_run, validation_score
from tests.tasks import contract

KINDS = sorted(path.stem for path in (Path(__file__).parent / "toys").glob("*.py") if path.stem != "ground")
CASES = [(kind, number) for kind in KINDS for number in range(2 if kind == "survey" else 1)]


@dataclass
class Case:
    """A toy that went the whole way: prepared, trained, and its record."""

    task: object
    params: object
    prepared: object
    folder: Path
    record: dict

    @property
    def fold(self):
        return self.params.split.folds()[0]

    def samples(self, split):
        return self.task.samples(self.prepared.of(self.fold), split, self.params)

    @property
    def sample(self):
        return self.samples("test")[0]

    @property
    def method(self):
        return restore(self.task, self.params, self.folder, self.fold.name)

    @property
    def spec(self):
        return self.task.spec(self.params)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request, tmp_path_factory):
    kind, number = request.param
    toy, folder = import_module(f"tests.tasks.toys.{kind}"), tmp_path_factory.mktemp(kind)
    prepared = prepare_run(toy.TASK, toy.RUNS[number], (), folder / "prepared")
    stage = Stage(toy.TASK, toy.RUNS[number], prepared, folder / "checkpoints")
    return Case(toy.TASK, toy.RUNS[number], prepared, folder / "weights", train_run(stage, folder / "weights"))


def test_a_toy_of_each_kind_is_here():
    assert KINDS == ["boxes", "denoise", "flow", "height", "pixels", "plots", "survey"]


def test_spec_and_methods_keep_to_the_contract(case):
    contract.require_spec(case.spec)
    contract.require_methods(case.task.methods(case.params))


def test_samples_bring_what_the_spec_asks_for(case):
    contract.require_inputs(case.spec, case.sample)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_pure(case, split):
    contract.require_pure(case.samples(split))


def test_outputs_are_those_of_the_spec(case):
    for method in (case.method, *case.task.methods(case.params).baselines.values()):
        contract.require_outputs(case.spec, case.sample, predict(method, case.sample.inputs))


def test_nodata_in_is_nodata_out(case):
    for method in (case.method, *case.task.methods(case.params).baselines.values()):
        contract.require_nodata_kept(case.spec, case.sample, method)


def test_prediction_leaves_its_inputs_alone(case):
    before = contract.digest(case.sample)
    sample = case.sample
    predict(case.method, sample.inputs)
    assert contract.digest(sample) == before


def test_rows_scores_and_pictures_can_be_used(case):
    rows, samples = [], case.samples("train" if case.spec.inputs[0].name in case.samples("train")[0].inputs else "test")
    for sample in [
        case.sample,
        *([] if not samples[0].targets or not case.sample.targets else [samples[0], samples[1]]),
    ]:
        output = predict(case.method, sample.inputs)
        measured = case.task.measure(sample, output)
        contract.require_rows(measured, sample)
        contract.require_picture(case.task.draw(sample, output))
        rows += measured
    contract.require_scores(case.task, case.spec, rows, np.random.default_rng(0))


def test_a_restored_method_predicts_the_same_bits(case):
    one, two = (predict(case.method, case.sample.inputs) for _ in range(2))
    assert contract.same_outputs(one, two)


def test_restored_weights_score_as_they_did_in_training(case):
    if not isinstance(case.method, Network):
        pytest.skip("nothing is trained step by step")
    training = case.record["trainings"]["weights"]
    metric = case.spec.primary
    scored = training["history"][training["best_epoch"] - 1][metric.name]
    assert validation_score(case.task, case.samples("val"), metric)(case.method) == scored


@pytest.mark.parametrize("change", ["extra", "missing", "shape", "dtype"])
def test_a_state_that_is_not_the_methods_is_refused(case, change):
    method = case.task.methods(case.params).candidate
    if not isinstance(method, Restorable):
        pytest.skip("nothing is learnt")
    state, preprocessing = load_state(case.folder)
    name = sorted(state)[-1]
    other = {"shape": state[name][..., None], "dtype": state[name].astype("float16")}.get(change)
    changed = {**state, "more": state[name]} if change == "extra" else {**state, name: other}
    with pytest.raises(VersionCorrupt, match="more" if change == "extra" else name):
        method.restored({k: v for k, v in changed.items() if v is not None}, preprocessing)


def test_only_what_learns_has_weights(case):
    learns = isinstance(case.method, Network | Fitted)
    assert (case.folder / "weights.safetensors").is_file() == learns
    assert (case.folder / "folds").is_dir() == (learns and len(case.params.split.folds()) > 1)
    assert (case.folder / "training.json").is_file()


def test_a_fold_that_does_not_exist_is_refused(case):
    with pytest.raises(UnknownName, match="no fold named 'fold-77'"):
        restore(case.task, case.params, case.folder, "fold-77")


def test_a_task_without_a_baseline_fails_the_contract():
    toy = import_module("tests.tasks.toys.flow")
    with pytest.raises(AssertionError, match="without a baseline"):
        contract.require_methods(Methods(toy.Flow(), {}))


def test_a_method_that_speaks_where_nothing_was_seen_fails_the_contract():
    toy = import_module("tests.tasks.toys.flow")
    chip = next(toy.TASK.prepare((), toy.RUNS[0]))

    class Bold(toy.ZeroFlow):
        def predict(self, scenes):
            return {k: v.with_array(np.nan_to_num(v.array)) for k, v in super().predict(scenes).items()}

    with pytest.raises(AssertionError, match="speaks where nothing was seen"):
        contract.require_nodata_kept(toy.TASK.spec(toy.RUNS[0]), chip, Bold())


@pytest.mark.parametrize("run", run_names())
def test_every_run_of_every_task_keeps_to_the_contract(run):
    task, params = load_run(run)
    assert params.task in task_names()
    contract.require_spec(task.spec(params))
    contract.require_methods(task.methods(params))
    assert params.split.folds()


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_a_run_and_a_card(name):
    folder = Path("components/tasks") / name
    assert list(folder.glob("params/*.yaml")), f"{name} has no run"
    assert (folder / "CARD.md").is_file(), f"{name} says nothing about itself"
