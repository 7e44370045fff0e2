from dataclasses import dataclass, replace

import pytest

from components.errors import BadParams, LeakageFound, NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.tasks.quarantine import Suspicion
from components.training import prepare
from components.training.prepare import main, prepare_run, said_of_quarantine
from tests.tasks.toys import flow
from tests.tasks.toys.ground import PLACES, SIDE, run_params


@dataclass
class Sources:
    """A toy task that prepares as many chips as told, or fails on the way."""

    places: tuple = PLACES
    fails: bool = False
    copied: tuple = ()  # (from place, into place): the pixels of the one under the name of the other

    def prepare(self, sources, params):
        made = list(flow.TASK.prepare(sources, params))
        for chip in made:
            if chip.place in self.copied[1:]:
                source = next(each for each in made if each.place == self.copied[0])
                moved = {name: scene.with_array(source.inputs[name].array) for name, scene in chip.inputs.items()}
                chip = replace(chip, inputs=moved)
            if chip.place in self.places:
                yield chip
        if self.fails:
            raise ValueError("the last scene is torn")


def params(**split):
    given = run_params("flow")
    return given.model_copy(update={"split": given.split.model_copy(update=split)})


def test_chips_of_all_places_are_packed(tmp_path):
    prepared = prepare_run(Sources(), params(), (), tmp_path / "run")
    assert sorted(prepared.index["place"]) == sorted(PLACES)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("task", "split", "error"),
    [
        (Sources(PLACES[:-1]), {}, BadParams),
        (Sources(), {"test": ()}, BadParams),
        (Sources(), {"guard_m": 50_000.0}, LeakageFound),
        (Sources(fails=True), {}, ValueError),
        (Sources(copied=(PLACES[0], PLACES[-1])), {}, LeakageFound),
    ],
    ids=["unknown place", "place in no split", "too near", "torn", "test tile copied into train"],
)
def test_a_failure_leaves_what_was_there(tmp_path, task, split, error):
    before = prepare_run(Sources(), params(), (), tmp_path / "run").digest
    with pytest.raises(error):
        prepare_run(task, params(**split), (), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert prepare.Prepared(tmp_path / "run").digest == before


def test_what_was_there_is_replaced(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").touch()
    prepare_run(Sources(), params(), (), tmp_path / "run")
    assert not (tmp_path / "run" / "old").exists()


def test_the_stage_reads_the_dataset_and_writes_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(prepare, "load_run", lambda run: (Sources(), params()))
    monkeypatch.setattr(prepare, "read_sources", lambda folder: asked.append(str(folder)) or ())
    assert main(["flow-toy"]) == 0
    assert asked == ["data/sources/toy/raw"]
    assert (tmp_path / "data/prepared/flow-toy/index.parquet").is_file()


def test_the_stage_says_in_one_sentence_what_is_wrong(caplog):
    assert main(["no-such-run"]) == 1
    assert "no run named 'no-such-run'" in caplog.text


SOURCES = tuple(Source(place, place, {}) for place in PLACES)


def suspect(place, action="leave-out"):
    return Suspicion(place, place, Window(0, 0, SIDE, SIDE), "label-is-shapes", "single pixels differ", 0.9, action)


def quarantined(folder, *found, folds=False):
    given = run_params("flow", folds=folds)
    return prepare_run(Sources(), given, SOURCES, folder, found), given.split.folds()


def test_a_quarantined_chip_is_not_trained_on(tmp_path):
    prepared, (fold,) = quarantined(tmp_path / "run", suspect(PLACES[0]), suspect(PLACES[1], "review"))
    assert sorted(prepared.of(fold).ids("train")) == sorted(PLACES[1:4])
    assert "1 chips left out of training, 0 suspect ones" in said_of_quarantine(prepared, (fold,))


def test_a_quarantined_chip_of_the_test_is_still_scored_and_named(tmp_path):
    prepared, (fold,) = quarantined(tmp_path / "run", suspect(PLACES[5]))
    assert prepared.of(fold).ids("test") == (PLACES[5],)
    said = said_of_quarantine(prepared, (fold,))
    assert f"0 chips left out of training, 1 suspect ones still validated or tested ({PLACES[5]})" in said


def test_in_cross_validation_a_place_is_tested_where_it_is_not_trained(tmp_path):
    prepared, folds = quarantined(tmp_path / "run", suspect(PLACES[0]), folds=True)
    assert any(PLACES[0] in prepared.of(fold).ids("test") for fold in folds)
    assert not any(PLACES[0] in prepared.of(fold).ids("train") for fold in folds)


def test_a_training_split_that_is_all_quarantined_is_refused(tmp_path):
    prepared, (fold,) = quarantined(tmp_path / "run", *(suspect(place) for place in PLACES[:4]))
    with pytest.raises(NotEnoughData, match="no chip of split train"):
        prepared.of(fold).ids("train")


def test_a_quarantine_changes_the_digest_and_no_quarantine_leaves_no_trace(tmp_path):
    without = prepare_run(Sources(), params(), SOURCES, tmp_path / "without")
    prepared, folds = quarantined(tmp_path / "with", suspect(PLACES[0]))
    assert "left_out" not in without.index
    assert said_of_quarantine(without, folds) == ""
    assert prepared.digest != without.digest


def test_a_quarantine_of_a_scene_that_is_gone_is_refused(tmp_path):
    with pytest.raises(BadParams, match="names scene 'atlantis'"):
        quarantined(tmp_path / "run", suspect("atlantis"))
