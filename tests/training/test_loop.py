import hashlib
import io
import os
import signal

import numpy as np
import pytest
import torch

from components.errors import BadParams, Interrupted, NotEnoughData, TrainingDiverged
from components.tasks.params import TrainParams
from components.tasks.seam import Metric
from components.training.checkpoint import FILE, load_checkpoint
from components.training.loop import Setting, fit
from tests.training.tiny import ERROR, Line, Lines, error

PARAMS = TrainParams(epochs=4, steps_per_epoch=5, batch=6, lr=0.05, threads=1)


class Quiet:
    """Tells nobody, and can send a signal at a chosen step."""

    def __init__(self, at=None, number=signal.SIGTERM):
        self.at, self.number, self.lines = at, number, []

    def step(self, done, total):
        if done == self.at:
            os.kill(os.getpid(), self.number)

    def epoch(self, line):
        self.lines.append(line)


def new_line(parts=1):
    torch.manual_seed(3)
    return Line(parts)


def train(folder, params=PARAMS, score=error, progress=None, network=None, metric=ERROR, samples=None):
    setting = Setting(7, folder, progress or Quiet())
    return fit(network or new_line(), Lines() if samples is None else samples, params, setting, score, metric)


def same(left, right):
    return all(np.array_equal(left.state[name], right.state[name]) for name in left.state)


def test_training_lowers_the_validation_error(tmp_path):
    trained = train(tmp_path, PARAMS.model_copy(update={"epochs": 12}))
    assert min(entry["error"] for entry in trained.history) < 0.5 * error(new_line())


def test_the_same_training_twice_gives_the_same_bits(tmp_path):
    assert same(train(tmp_path / "one"), train(tmp_path / "two"))


def test_another_seed_gives_other_weights(tmp_path):
    other = fit(new_line(), Lines(), PARAMS, Setting(8, tmp_path / "b", Quiet()), error, ERROR)
    assert not same(train(tmp_path / "a"), other)


@pytest.mark.parametrize("step", [1, 5, 7, 19], ids=lambda step: f"step{step}")
@pytest.mark.parametrize("balance", ["sum", "gradnorm"])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, step, balance):
    params = PARAMS.model_copy(update={"balance": balance})
    whole = train(tmp_path / "whole", params, network=new_line(2))
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", params, progress=Quiet(at=step), network=new_line(2))
    resumed = train(tmp_path / "cut", params, network=new_line(2))
    assert same(whole, resumed)
    assert whole.history == resumed.history
    assert whole.best_epoch == resumed.best_epoch


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_with_the_code_a_shell_expects(tmp_path, number, code):
    with pytest.raises(Interrupted) as caught:
        train(tmp_path, progress=Quiet(at=3, number=number))
    assert caught.value.exit_code == code
    assert load_checkpoint(tmp_path)[0].step == 3


def test_signal_handlers_are_given_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    train(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_finished_training_is_not_trained_again(tmp_path):
    first, told = train(tmp_path), Quiet()
    assert same(first, train(tmp_path, progress=told))
    assert told.lines == []


def test_a_broken_checkpoint_starts_anew_and_says_so(tmp_path, caplog):
    (tmp_path / FILE).write_bytes(b"torn")
    assert same(train(tmp_path), train(tmp_path / "other"))
    assert "starts anew" in caplog.text


def test_a_checkpoint_with_code_in_it_is_not_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    content = io.BytesIO()
    torch.save({"course": Trap()}, content)
    sealed = hashlib.sha256(content.getvalue()).digest() + content.getvalue()
    (tmp_path / FILE).write_bytes(sealed)
    train(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_training_ends_when_the_score_stops_rising_and_keeps_the_best(tmp_path):
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.6])
    params = PARAMS.model_copy(update={"epochs": 9, "patience": 2})
    trained = train(tmp_path, params, score=lambda _: next(scores), metric=Metric("f1"))
    assert trained.best_epoch == 2
    assert len(trained.history) == 4


def test_the_kept_weights_are_those_of_the_best_epoch(tmp_path):
    trained = train(tmp_path, PARAMS.model_copy(update={"lr": 0.8, "epochs": 6}))
    best = min(entry["error"] for entry in trained.history)
    assert error(new_line().restored(trained.state, {})) == best


def test_an_undefined_score_never_beats_a_defined_one(tmp_path):
    scores = iter([None, 0.2, None, float("nan")])
    trained = train(tmp_path, score=lambda _: next(scores), metric=Metric("f1"))
    assert trained.best_epoch == 2
    assert [entry["f1"] for entry in trained.history] == [None, 0.2, None, None]


def test_without_a_score_the_last_weights_are_kept(tmp_path):
    assert train(tmp_path, score=None).best_epoch == PARAMS.epochs


def test_the_rate_decays_by_epoch(tmp_path):
    seen = []
    network = new_line()
    original = network.losses
    network.losses = lambda module, batch: (seen.append(1), original(module, batch))[1]
    frozen = PARAMS.model_copy(update={"lr_decay": 1e-9, "epochs": 3, "weight_decay": 0.0})
    first = train(tmp_path / "a", frozen.model_copy(update={"epochs": 1}), score=None)
    later = train(tmp_path / "b", frozen, score=None, network=network)
    assert len(seen) == 15
    assert all(np.allclose(first.state[name], later.state[name], atol=1e-6) for name in first.state)


def test_a_loss_that_is_not_finite_is_named(tmp_path):
    network = new_line()
    network.losses = lambda module, batch: {
        "fine": module(batch["x"]).mean(),
        "flow": module(batch["x"]).mean() * np.nan,
    }
    with pytest.raises(TrainingDiverged, match="flow"):
        train(tmp_path, network=network)


def test_a_split_without_samples_is_refused(tmp_path):
    with pytest.raises(NotEnoughData, match="no sample"):
        train(tmp_path, samples=Lines(0))


def test_gradnorm_needs_a_shared_layer(tmp_path):
    class Plain(Line):
        shared_layer = None

    torch.manual_seed(3)
    network = Plain()
    with pytest.raises(BadParams, match="shared_layer"):
        train(tmp_path, PARAMS.model_copy(update={"balance": "gradnorm"}), network=network)


def test_process_settings_are_given_back(tmp_path):
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    train(tmp_path)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
