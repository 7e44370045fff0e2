import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import Interrupted, UnknownName
from components.tasks.bundle import load_state
from components.training import __main__ as stage_main
from components.training import stage
from components.training.curves import draw_curves
from components.training.prepare import prepare_run
from components.training.stage import Stage, train_run
from tests.tasks.toys import flow, pixels, survey
from tests.tasks.toys.ground import PLACES, run_params


def staged(tmp_path, toy=flow, params=None):
    params = params or toy.RUNS[0]
    prepared = prepare_run(toy.TASK, params, (), tmp_path / "prepared")
    return Stage(toy.TASK, params, prepared, tmp_path / "checkpoints")


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_run_twice_gives_the_same_files(tmp_path):
    one = staged(tmp_path, params=run_params("flow", folds=True))
    train_run(one, tmp_path / "a")
    two = Stage(one.task, one.params, one.prepared, tmp_path / "other checkpoints")
    train_run(two, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_every_fold_and_the_released_weights_are_kept(tmp_path):
    record = train_run(staged(tmp_path, params=run_params("flow", folds=True)), tmp_path / "run")
    folds = [f"folds/fold-{n}.{suffix}" for n in range(3) for suffix in ("json", "safetensors")]
    assert sorted(files(tmp_path / "run")) == sorted(
        [*folds, "preprocessing.json", "training.json", "weights.safetensors"]
    )
    epochs = sorted(record["trainings"][f"fold-{n}"]["best_epoch"] for n in range(3))
    assert record["trainings"]["weights"]["best_epoch"] == epochs[1]


def test_released_weights_of_a_cross_validation_are_learnt_from_all_places(tmp_path):
    asked = []

    class Watched(flow.FlowTask):
        def samples(self, prepared, split, params):
            asked.append((prepared.fold.name, split, frozenset(prepared.ids(split))))
            return super().samples(prepared, split, params)

    given = staged(tmp_path, params=run_params("flow", folds=True))
    train_run(Stage(Watched(), given.params, given.prepared, given.checkpoints), tmp_path / "run")
    assert ("weights", "train", frozenset(PLACES)) in asked
    assert not [entry for entry in asked if entry[1] == "test"]


def test_a_method_without_learnt_numbers_leaves_a_record_only(tmp_path):
    record = train_run(staged(tmp_path, survey), tmp_path / "run")
    assert list(files(tmp_path / "run")) == ["training.json"]
    assert record["trainings"] == {}
    with pytest.raises(UnknownName, match="weights"):
        load_state(tmp_path / "run")


def test_what_is_recorded_holds_no_clock(tmp_path):
    record = train_run(staged(tmp_path, pixels), tmp_path / "run")
    assert set(record) == {
        *("seed", "threads", "cpu_capability", "device", "torch", "prepared", "learnt_numbers", "trainings")
    }
    assert json.loads((tmp_path / "run" / "training.json").read_text()) == record


def test_an_interrupted_run_leaves_no_folder_and_goes_on_where_it_was(tmp_path, monkeypatch):
    given = staged(tmp_path, params=run_params("flow", folds=True))
    train_run(Stage(given.task, given.params, given.prepared, tmp_path / "whole"), tmp_path / "expected")
    trained = []
    original = stage.fit

    def stopping(*arguments):
        trained.append(arguments[3].checkpoints.name)
        if len(trained) == 2:
            raise Interrupted(15, "here")
        return original(*arguments)

    monkeypatch.setattr(stage, "fit", stopping)
    with pytest.raises(Interrupted):
        train_run(given, tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "expected", "prepared", "whole"]
    monkeypatch.setattr(stage, "fit", original)
    train_run(given, tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "expected")


def test_curves_are_drawn_for_what_was_trained(tmp_path):
    record = train_run(staged(tmp_path), tmp_path / "run")
    assert [path.name for path in draw_curves(record, tmp_path / "pictures")] == ["training.png"]
    assert draw_curves({"trainings": {}}, tmp_path / "none") == ()


def test_the_stage_says_in_one_sentence_what_is_wrong(caplog):
    assert stage_main.main(["no-such-run"]) == 1
    assert "no run named 'no-such-run'" in caplog.text


def test_the_stage_tidies_up_after_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage_main, "load_run", lambda run: (flow.TASK, flow.RUNS[0]))
    prepare_run(flow.TASK, flow.RUNS[0], (), tmp_path / "data/prepared/toy")
    assert stage_main.main(["toy"]) == 0
    assert (tmp_path / "models/weights/toy/weights.safetensors").is_file()
    assert (tmp_path / ".swath/pictures/toy/training.png").is_file()
    assert not list((tmp_path / ".swath/checkpoints").iterdir())


def test_checkpoints_belong_to_their_inputs(tmp_path):
    given = staged(tmp_path)
    digest = stage_main.inputs_digest(given.params, given.prepared)
    described = given.params.model_copy(update={"description": "other words"})
    assert stage_main.inputs_digest(described, given.prepared) == digest
    other = given.params.model_copy(update={"seed": 5})
    assert stage_main.inputs_digest(other, given.prepared) != digest


SCRIPT = """
import sys
from components.training import __main__ as stage_main
from tests.tasks.toys import flow
from tests.tasks.toys.ground import run_params
stage_main.load_run = lambda run: (flow.TASK, run_params("flow", epochs=int(sys.argv[1]), patience=100_000))
sys.exit(stage_main.main(["toy"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_process_that_is_asked_to_end_saves_and_answers_with_the_right_code(tmp_path, number, code):
    prepare_run(flow.TASK, flow.RUNS[0], (), tmp_path / "data/prepared/toy")
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, "100000"], cwd=tmp_path, env=env)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".swath/checkpoints/*/weights/checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) == code
    assert list(tmp_path.glob(".swath/checkpoints/*/weights/checkpoint.pt"))
    assert not (tmp_path / "models/weights").exists() or not list((tmp_path / "models/weights").iterdir())
