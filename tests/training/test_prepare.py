from dataclasses import dataclass

import pytest

from components.errors import BadParams, LeakageFound
from components.training import prepare
from components.training.prepare import main, prepare_run
from tests.tasks.toys import flow
from tests.tasks.toys.ground import PLACES, run_params


@dataclass
class Sources:
    """A toy task that prepares as many chips as told, or fails on the way."""

    places: tuple = PLACES
    fails: bool = False

    def prepare(self, sources, params):
        for chip in flow.TASK.prepare(sources, params):
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
    ],
    ids=["unknown place", "place in no split", "too near", "torn"],
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
