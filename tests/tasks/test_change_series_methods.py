"""The omnibus test with masks and dates, and the network on statistics, behind the seam of REACTIV."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.errors import BadParams, NotEnoughData, VersionCorrupt
from components.inference.tiled import predict
from components.raster.dataset import finish, read_sources, write_source
from components.raster.scene import Stack
from components.simulation.radar_series import radar_series
from components.simulation.speckle import Speckle
from components.tasks import load_run
from components.tasks.change.omnibus import DatedOmnibus, Omnibus
from components.tasks.change.reactiv import Reactiv
from components.tasks.change.seasons import Season
from components.tasks.change.series_history import History
from components.tasks.change.series_options import series_options
from components.tasks.change.series_statistics import channels_of, statistics
from components.tasks.params import PlaceSplit
from components.training.loop import Setting, fit
from components.training.prepare import prepare_run
from tests.scenes import make_grid
from tests.tasks import contract
from tests.tasks.series import speckle_stack

LOOKS = (4.4, 4.4)
RUNS = ("change-sar-omnibus", "change-sar-learnt")


@pytest.fixture(scope="module")
def made():
    return radar_series(5, (96, 112), dates=24, seen=Speckle(4.4))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    for seed, name in enumerate("abc"):
        series = radar_series(seed, (96, 112), dates=24, seen=Speckle(4.4))
        dates = {f"date-{d:%Y%m%d}": series.stack.scene(i) for i, d in enumerate(series.stack.dates)}
        write_source(folder / "raw", name, name, {**dates, "kind": series.kind, "span": series.span})
    finish(folder / "raw", "tiny")
    return prepare_run(*run_of("change-sar-learnt"), read_sources(folder / "raw"), folder / "prepared")


def run_of(name):
    task, params = load_run(name)
    return task, params.model_copy(update={"split": PlaceSplit(train=("a",), val=("b",), test=("c",))})


def sample_of(name, prepared, split="test"):
    task, params = run_of(name)
    return task.samples(prepared.of(params.split.folds()[0]), split, params)[0]


def trained(prepared, tmp_path, steps=60):
    task, params = run_of("change-sar-learnt")
    samples = task.samples(prepared.of(params.split.folds()[0]), "train", params)
    training = params.training.model_copy(update={"epochs": 1, "steps_per_epoch": steps, "batch": 8})
    network = task.methods(params).candidate.prepared_for(samples)
    done = fit(network, samples, training, Setting(0, tmp_path), None, task.spec(params).primary)
    return task, params, task.methods(params).candidate.restored(done.state, done.preprocessing)


@pytest.mark.parametrize("name", RUNS)
def test_every_method_of_the_runs_keeps_to_the_contract(name, prepared):
    task, params = run_of(name)
    spec, sample = task.spec(params), sample_of(name, prepared)
    contract.require_inputs(spec, sample)
    methods = task.methods(params)
    contract.require_methods(methods)
    assert {"reactiv", "omnibus", "log-ratio"} <= set(methods.baselines)
    assert ("omnibus-dated" in methods.baselines) == (name == "change-sar-learnt")
    output = predict(methods.candidate, sample.inputs)
    contract.require_outputs(spec, sample, output)
    contract.require_rows(task.measure(sample, output), sample)
    contract.require_picture(task.draw(sample, output))
    contract.require_nodata_kept(replace(spec, outputs=spec.outputs[:2]), sample, methods.candidate)


def test_rivals_have_their_own_rates_where_the_run_says_so():
    task, params = run_of("change-sar-omnibus")
    found = {name: getattr(method, "false_alarms", None) for name, method in task.methods(params).named().items()}
    assert (found["candidate"], found["reactiv"], found["omnibus"]) == (0.001, 0.01, 0.001)


def test_without_a_mask_the_dated_test_raises_the_alarms_of_the_test(made):
    bands = made.stack.bands
    plain = Omnibus(bands, LOOKS, 0.001).predict({"series": made.stack})
    dated = DatedOmnibus(bands, LOOKS, 0.001).predict({"series": made.stack})
    assert (dated["change"].array == plain["change"].array).all()
    np.testing.assert_array_equal(dated["probability"].array, plain["probability"].array)
    assert (np.isfinite(dated["when"].array[0]) == (dated["change"].array[0] == 1)).all()


def test_both_detectors_are_masked_and_dated_alike(made):
    """Where both raise an alarm they say the same date, and the mask takes alarms of fields."""
    season = Season(1, least_days=270)
    said = [
        DatedOmnibus(made.stack.bands, LOOKS, 0.01, History(season)).predict({"series": made.stack}),
        Reactiv(made.stack.bands, LOOKS, 0.01, season=season).predict({"series": made.stack}),
    ]
    maps = [each["change"].array[0] == 1 for each in said]
    both = maps[0] & maps[1]
    assert both.sum() > 500
    np.testing.assert_array_equal(said[0]["when"].array[:, both], said[1]["when"].array[:, both])
    fields = made.kind.array[0] == 4
    bare = DatedOmnibus(made.stack.bands, LOOKS, 0.01).predict({"series": made.stack})["change"].array[0] == 1
    assert maps[0][fields].mean() < 0.8 * bare[fields].mean()
    probability = said[0]["probability"].array[0]
    assert (probability[bare & ~maps[0]] == 0).all(), "an alarm that is masked is certain to be no change"


def test_a_flood_of_few_dates_is_seen_by_the_omnibus_test_and_hardly_by_the_coefficient_of_variation(made):
    flood = made.kind.array[0] == 3
    omnibus, reactiv = (
        method.predict({"series": made.stack})["change"].array[0] == 1
        for method in (DatedOmnibus(made.stack.bands, LOOKS, 0.01), Reactiv(made.stack.bands, LOOKS, 0.01))
    )
    assert omnibus[flood].mean() > reactiv[flood].mean()


@pytest.mark.parametrize("given", [LOOKS, None])
@pytest.mark.parametrize("make", [DatedOmnibus, Reactiv])
def test_a_series_of_three_dates_is_told_that_dates_are_missing_and_not_looks(make, given):
    with pytest.raises(NotEnoughData, match="at least 5 dates, found 3; add dates") as said:
        make(("VV", "VH"), given).predict({"series": speckle_stack(3)})
    assert "looks" not in str(said.value)


def test_the_network_too_asks_for_dates():
    task, params = load_run("change-sar-learnt")
    with pytest.raises(NotEnoughData, match="at least 5 dates, found 3; add dates"):
        predict(task.methods(params).candidate, {"series": speckle_stack(3)})


def test_statistics_of_stable_ground_stay_small_and_do_not_see_how_bright_it_is():
    stack = speckle_stack(30, (24, 24))
    told, valid = statistics(stack, LOOKS)
    brighter, _ = statistics(replace(stack, array=stack.array * np.float32(50)), LOOKS)
    assert told.shape == (len(channels_of(stack.bands)), 24, 24)
    assert valid.all()
    np.testing.assert_allclose(told, brighter, atol=2e-3)
    assert np.abs(told).max() < np.log1p(20)


@pytest.mark.parametrize(
    ("dates", "factor", "channel"),
    [(slice(12, None), 8.0, "up step"), (slice(12, None), 1 / 8, "down step"), (slice(9, 10), 9.0, "up stretch 1")],
)
def test_a_planted_change_is_largest_in_the_channel_that_is_meant_for_it(dates, factor, channel):
    stack = speckle_stack(30, (16, 16))
    stack.array[dates, :, 4:8, 4:8] *= np.float32(factor)
    told, _ = statistics(stack, LOOKS)
    names = channels_of(stack.bands)
    gains = told[[names.index(n) for n in names if n.startswith(("up", "down"))], 4:8, 4:8].mean(axis=(1, 2))
    assert [n for n in names if n.startswith(("up", "down"))][int(gains.argmax())] == channel


def test_a_pixel_without_dates_has_no_statistics_and_leaves_its_neighbours_alone():
    stack = speckle_stack(30, (16, 16))
    holed = replace(stack, array=stack.array.copy())
    holed.array[:, :, 3, 5] = np.nan
    told, valid = statistics(holed, LOOKS)
    assert (~valid).sum() == 1
    assert (told[:, 3, 5] == 0).all()
    np.testing.assert_array_equal(told[:, valid], statistics(stack, LOOKS)[0][:, valid])


def test_few_steps_of_training_find_changes_and_tiles_answer_like_the_whole(prepared, tmp_path):
    task, params, method = trained(prepared, tmp_path)
    sample = sample_of("change-sar-learnt", prepared)
    whole = predict(method, sample.inputs)
    rivals = task.methods(params).baselines
    scores = {n: task.summarise(task.measure(sample, predict(m, sample.inputs)))["f1"] for n, m in rivals.items()}
    learnt = task.summarise(task.measure(sample, whole))
    assert learnt["f1"] > max(scores["reactiv"], scores["log-ratio"])
    assert learnt["date_error_days"] <= 6
    tiled = predict(replace_looks(method, sample), sample.inputs, tile_px=48)
    looked = predict(replace_looks(method, sample), sample.inputs)
    np.testing.assert_allclose(tiled["probability"].array, looked["probability"].array, atol=1e-5)


def replace_looks(method, sample):
    """Surveyed on the whole series, as prediction in tiles is."""
    return method.survey(sample.inputs)


def test_crops_are_a_function_of_their_number_and_filled_where_the_place_ends(prepared):
    task, params = run_of("change-sar-learnt")
    params = params.model_copy(update={"method": {**params.method, "crop_px": 104}})
    first, second = (task.samples(prepared.of(params.split.folds()[0]), "train", params)[3] for _ in range(2))
    np.testing.assert_array_equal(first.told, second.told)
    assert first.told.shape[1:] == (104, 104)
    truth = first.targets["change"].array[0]
    assert (truth == 255).sum() == 8 * 104
    assert not first.valid[truth == 255].any()


def test_unknown_pixels_add_nothing_to_the_loss(prepared):
    task, params = run_of("change-sar-learnt")
    network = task.methods(params).candidate
    batch = network.collate([task.samples(prepared.of(params.split.folds()[0]), "train", params)[0]])
    hidden = {**batch, "truth": batch["truth"].clone()}
    hidden["truth"][:, :10] = 255
    moved = {**hidden, "statistics": hidden["statistics"].clone()}
    module = torch.nn.Conv2d(hidden["statistics"].shape[1], 1, 1)
    moved["statistics"][:, :, :10] += 100
    assert network.losses(module, hidden)["likelihood"] == network.losses(module, moved)["likelihood"]


def test_weights_of_other_channels_are_refused():
    task, params = run_of("change-sar-learnt")
    network = task.methods(params).candidate
    state = {name: each.detach().numpy() for name, each in network.module.state_dict().items()}
    with pytest.raises(VersionCorrupt, match="channels"):
        network.restored(state, {"channels": ["cv VV"], "mean": [0.0], "deviation": [1.0]})


def test_a_rate_of_no_method_is_refused():
    _, params = run_of("change-sar-omnibus")
    with pytest.raises(BadParams, match="rival_rates"):
        series_options(params.model_copy(update={"method": {**params.method, "rival_rates": {"cfar": 0.1}}}))


def test_looks_that_are_given_need_no_survey():
    grid = make_grid((8, 8))
    stack = Stack(speckle_stack(10, (8, 8)).array, grid, ("VV", "VH"), "intensity", speckle_stack(10, (8, 8)).dates)
    assert not DatedOmnibus(("VV", "VH"), LOOKS).needs_survey
    assert DatedOmnibus(("VV", "VH")).needs_survey
    assert DatedOmnibus(("VV", "VH"), LOOKS).survey({"series": stack}).looks == LOOKS
