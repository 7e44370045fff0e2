import numpy as np
import pytest

from components.errors import NotEnoughData, UnknownName
from components.evaluation.scoring import score
from components.tasks.seam import Methods
from tests.evaluation import toy


def test_every_place_is_scored_once_by_every_method(tmp_path):
    rows = score(toy.job(tmp_path)).rows
    assert set(rows) == {"candidate", "high", "all-unchanged"}
    for own in rows.values():
        assert [row.unit for row in own] == list(toy.PLACES)


def test_every_place_is_predicted_by_the_numbers_of_its_own_fold(tmp_path):
    job = toy.job(tmp_path, above=(1.0, np.inf, 1.0))
    found = {row.unit: row.values["tp"] > 0 for row in score(job).rows["candidate"]}
    assert found == {place: place not in toy.GROUPS[1] for place in toy.PLACES}


def test_only_one_method_is_scored_when_only_it_is_asked_for(tmp_path):
    assert set(score(toy.job(tmp_path), only="candidate").rows) == {"candidate"}


def test_missing_weights_of_a_fold_are_named(tmp_path):
    job = toy.job(tmp_path)
    (job.weights / "folds" / "fold-1.safetensors").unlink()
    with pytest.raises(UnknownName, match="fold-1"):
        score(job)


def test_a_fitted_baseline_learns_from_the_training_places_of_each_fold(tmp_path):
    seen = []

    class Learner(toy.Threshold):
        def fit(self, train, val):
            seen.append({sample.unit for sample in train})
            return {"above": np.array([1.0])}, {}

    job = toy.job(tmp_path)
    job.task.methods = lambda params: Methods(toy.Threshold(np.inf), {"learner": Learner(np.inf)})
    rows = score(job, only="learner").rows["learner"]
    assert seen == [set(toy.PLACES) - fold.test - fold.val for fold in job.params.split.folds()]
    assert all(row.values["tp"] > 0 for row in rows)


def test_a_fold_without_test_sample_is_not_scored_as_zero(tmp_path):
    job = toy.job(tmp_path)
    job.task.samples = lambda prepared, split, params: []
    with pytest.raises(NotEnoughData, match="fold-0 has no test sample"):
        score(job)


def test_those_who_watch_see_every_prediction_and_the_end(tmp_path):
    steps = []
    score(toy.job(tmp_path), watch=lambda prediction, done, total: steps.append((prediction.method, done, total)))
    assert len(steps) == 30
    assert steps[-1] == ("all-unchanged", 10, 10)
