from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from components.errors import BadParams, NotEnoughData
from components.inference.tiled import predict
from components.raster.dataset import Source, finish, read_sources, write_source
from components.raster.grid import Grid
from components.simulation.radar_series import radar_series
from components.simulation.speckle import Speckle
from components.tasks import load_run
from components.tasks.change.series_options import series_options
from components.tasks.chips import Prepared
from components.tasks.params import PlaceSplit
from components.training.prepare import prepare_run
from tests.tasks import contract

PLACES = ("a", "b", "c")


def write_place(folder, name, seed):
    series = radar_series(seed, (96, 112), dates=24, seen=Speckle(4.4))
    grid = replace(series.stack.grid, transform=Affine(10, 0, 500_000 + 10_000 * seed, 0, -10, 5_400_000))
    dates = {f"date-{d:%Y%m%d}": replace(series.stack.scene(i), grid=grid) for i, d in enumerate(series.stack.dates)}
    truth = {"kind": replace(series.kind, grid=grid), "span": replace(series.span, grid=grid)}
    return write_source(folder, name, name, {**dates, **truth})


@pytest.fixture(scope="module")
def run():
    task, params = load_run("change-sar")
    split = PlaceSplit(train=PLACES[:1], val=PLACES[1:2], test=PLACES[2:])
    return task, params.model_copy(update={"split": split})


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series") / "raw"
    for seed, name in enumerate(PLACES):
        write_place(folder, name, seed)
    finish(folder, "tiny")
    return read_sources(folder)


@pytest.fixture(scope="module")
def prepared(run, sources, tmp_path_factory):
    return prepare_run(*run, sources, tmp_path_factory.mktemp("prepared") / "tiny")


@pytest.fixture(scope="module")
def sample(run, prepared):
    task, params = run
    return task.samples(prepared.of(params.split.folds()[0]), "test", params)[0]


def test_a_chip_holds_all_dates_as_one_series(run, sample, sources):
    contract.require_inputs(run[0].spec(run[1]), sample)
    series = sample.inputs["series"]
    assert series.array.shape == (24, 2, 96, 112)
    assert [f"date-{date:%Y%m%d}" for date in series.dates] == sorted(r for r in sources[0].files if "date" in r)
    assert set(sample.targets) == {"change", "kind", "span"}
    assert (sample.targets["change"].array[0] == (sample.targets["span"].array[0] >= 0)).all()


def test_a_large_source_is_cut_into_chips_of_all_dates(run, sources):
    task, params = run
    chips = list(task.prepare(sources[:1], params.model_copy(update={"prepare": {"block_px": 64, "kinds": [1]}})))
    assert [chip.window for chip in chips] == list(Grid(None, Affine.identity(), (96, 112)).tiles(64))
    assert {len(chip.inputs["series"].dates) for chip in chips} == {24}


@pytest.mark.parametrize("missing", ["dates", "kind"])
def test_a_source_without_dates_or_truth_is_refused(run, sources, missing):
    gone = "date-" if missing == "dates" else missing
    files = {role: path for role, path in sources[0].files.items() if not role.startswith(gone)}
    with pytest.raises(NotEnoughData, match=r"expected 2 or more dates .* and the role kind, found"):
        list(run[0].prepare([Source("x", "x", files)], run[1]))


def test_candidate_and_rivals_keep_to_the_contract(run, sample):
    task, params = run
    methods, spec = task.methods(params), task.spec(params)
    assert set(methods.named()) == {"candidate", "log-ratio", "omnibus", "omnibus-dated", "all-unchanged"}
    for name, method in methods.named().items():
        output = predict(method, sample.inputs)
        if name == "candidate":
            contract.require_outputs(spec, sample, output)
        contract.require_rows(task.measure(sample, output), sample)
        contract.require_picture(task.draw(sample, output))
        contract.require_nodata_kept(replace(spec, outputs=spec.outputs[:2]), sample, method)


def test_reactiv_finds_what_the_first_and_the_last_date_cannot_show_and_dates_it(run, sample):
    task, params = run
    scores = {
        name: task.summarise(task.measure(sample, predict(method, sample.inputs)))
        for name, method in task.methods(params).named().items()
    }
    assert scores["candidate"]["f1"] > scores["log-ratio"]["f1"] + 0.2
    assert scores["candidate"]["recall.boat"] > 0.9
    assert scores["log-ratio"]["recall.boat"] < 0.2
    assert scores["all-unchanged"]["f1"] == 0
    assert scores["candidate"]["date_error_days"] <= 6
    assert scores["candidate"]["dated_within_error"] > 0.9
    assert "date_error_days" not in scores["omnibus"]
    assert scores["omnibus-dated"]["date_error_days"] <= 6


def test_a_wrong_date_counts_as_many_days_as_it_is_off(run, sample):
    task, params = run
    output = dict(predict(task.methods(params).candidate, sample.inputs))
    moved = output["when"].array + np.array([0, 0, 0, 24, 0, 0], np.float32)[:, None, None]
    scores = task.summarise(task.measure(sample, {**output, "when": output["when"].with_array(moved)}))
    assert 18 <= scores["date_error_days"] <= 30
    assert scores["dated_within_error"] < 0.5


def test_a_series_too_short_for_seasons_is_not_masked_and_says_so(run, sample):
    method = run[0].methods(run[1]).candidate
    series = sample.inputs["series"]
    short = replace(series, array=series.array[:12], dates=series.dates[:12])
    assert predict(method, {"series": series})["when"].tags["SEASONS_MASKED"] == "yes"
    assert predict(method, {"series": short})["when"].tags["SEASONS_MASKED"] == "no"


@pytest.mark.parametrize(
    ("method", "says"),
    [({"looks": [4.4]}, "1 numbers for 2 bands"), ({"window_px": 4}, "is even"), ({"network": "x"}, "network")],
)
def test_options_that_make_no_sense_are_refused(run, method, says):
    params = run[1].model_copy(update={"method": {**run[1].method, **method}})
    with pytest.raises(BadParams, match=says):
        series_options(params)


def test_a_golden_request_of_a_series_survives_a_version(run, tmp_path):
    from components.deployment.golden import check_golden, write_golden

    task, params = run
    method = task.methods(params).candidate
    write_golden(task.spec(params), method, tmp_path)
    check_golden("change-sar", method, tmp_path)
    assert Prepared(tmp_path / "golden").chip("golden").targets["events"].table["kind"].dtype.kind == "U"
    assert Path(tmp_path / "golden").is_dir()
