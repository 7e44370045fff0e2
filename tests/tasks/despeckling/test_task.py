"""The despeckling task: keeps to the contract, and its pairs, scores and pictures mean what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.errors import BadParams, NotEnoughData, UnitMismatch, VersionCorrupt
from components.inference.tiled import predict
from components.raster.dataset import read_sources, write_source
from components.raster.grid import Window
from components.raster.radiometry import log_mean
from components.simulation.radar_series import FIELD, STABLE, radar_series
from components.simulation.speckle import Speckle
from components.tasks.bundle import module_state, restore
from components.tasks.chips import Chip, pack
from components.tasks.despeckling import TASK
from components.tasks.despeckling.scenes import answer
from components.tasks.params import RunParams
from components.training.stage import Stage, train_run
from tests.tasks import contract

DATES = 10


def params(method="dilated-residual", training=None, **changed):
    split = {"kind": "places", "train": ["a", "b"], "val": ["c"], "test": ["d"]}
    section = {"name": method, "looks": 4.4, "width": 8, "crop_px": 48, "crops": 40, **changed}
    run = {"task": "despeckling", "dataset": "tiny", "description": "-", "split": split, "method": section, "seed": 3}
    return RunParams.model_validate({**run, "training": training or {}})


def chip(place, seed):
    made = radar_series(seed, (96, 96), dates=DATES, seen=Speckle(4.4))
    last = made.stack.scene(DATES - 1)
    targets = {"reflectivity": replace(last, array=made.reflectivity[-1]), "kind": made.kind}
    return Chip(place, place, place, made.stack.grid.window, {"series": made.stack}, targets)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    chips = [chip(place, seed) for seed, place in enumerate("abcd")]
    return pack(iter(chips), tmp_path_factory.mktemp("prepared")).of(params().split.folds()[0])


@pytest.fixture(scope="module")
def given(prepared):
    return TASK.samples(prepared, "test", params())[0]


def ready(prepared, **changed):
    run = params(**changed)
    return TASK.methods(run).candidate.prepared_for(TASK.samples(prepared, "train", run))


@pytest.mark.parametrize("name", ["dilated-residual", "lee"])
def test_the_task_keeps_to_the_contract(name, prepared, given):
    run = params(name)
    spec, methods = TASK.spec(run), TASK.methods(run)
    contract.require_spec(spec)
    contract.require_methods(methods)
    contract.require_inputs(spec, given)
    output = predict(methods.candidate, given.inputs)
    contract.require_outputs(spec, given, output)
    contract.require_nodata_kept(spec, given, methods.candidate)
    rows = TASK.measure(given, output)
    contract.require_rows(rows, given)
    contract.require_scores(TASK, spec, rows, np.random.default_rng(0))
    contract.require_picture(TASK.draw(given, output))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_pure(split, prepared):
    contract.require_pure(TASK.samples(prepared, split, params()))


def test_a_candidate_is_no_baseline_of_itself_and_nothing_filtered_is_a_control():
    assert "lee" not in TASK.methods(params("lee")).baselines
    assert set(TASK.methods(params()).controls) == {"unfiltered"}
    assert {"boxcar", "lee", "enhanced-lee", "refined-lee", "bm3d", "sar-bm3d"} == set(TASK.methods(params()).baselines)


def test_pairs_are_two_near_dates_of_one_place(prepared):
    pairs = TASK.samples(prepared, "train", params(lag_dates=2))
    shares = []
    for pair in (pairs[index] for index in range(20)):
        apart = abs((pair.inputs["noisy"].acquired - pair.targets["other"].acquired).days)
        assert apart in (12, 24)
        assert pair.inputs["noisy"].array.shape == pair.targets["other"].array.shape == (2, 48, 48)
        same = pair.targets["stable"].array > 0
        ratio = np.log(pair.inputs["noisy"].array / pair.targets["other"].array)
        assert abs(np.mean(ratio[same])) < 0.15
        shares.append(same.mean())
    assert np.mean(shares) > 0.8


def test_what_changed_between_two_dates_does_not_count(prepared):
    series = prepared.chip("a").inputs["series"]
    changed = series.array.copy()
    changed[DATES // 2 :, :, 30:60, 30:60] *= 30
    other = replace(prepared.chip("a"), inputs={"series": replace(series, array=changed)}, targets={})

    class Holder:
        def shape(self, name):
            return 96, 96

        def place(self, name):
            return "a"

        def chip(self, name, window):
            crop = replace(other, inputs={"series": other.inputs["series"].crop(window)})
            return crop

        def ids(self, split):
            return ("a",)

    pairs = TASK.samples(Holder(), "train", params(crop_px=96))
    middle = [pairs[index] for index in range(20)]
    across = [
        pair
        for pair in middle
        if (pair.inputs["noisy"].acquired < series.dates[DATES // 2])
        != (pair.targets["other"].acquired < series.dates[DATES // 2])
    ]
    assert across
    for pair in across:
        jump = np.abs(np.log(pair.inputs["noisy"].array / pair.targets["other"].array)) > 2.5
        assert pair.targets["stable"].array[jump].mean() < 0.1


def test_an_untrained_network_changes_nothing_but_rounding(prepared, given):
    said = predict(ready(prepared), given.inputs)
    np.testing.assert_allclose(said["filtered"].array, given.inputs["noisy"].array, rtol=1e-4)
    np.testing.assert_allclose(said["ratio"].array, 1, rtol=1e-4)


def test_tiles_leave_no_seam(prepared, given):
    network = ready(prepared)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.module.parameters():
            weights.copy_(0.1 * torch.randn(weights.shape, generator=rng))
    whole, tiled = (predict(network, given.inputs, tile_px=size)["filtered"].array for size in (512, 32))
    assert np.abs(whole / given.inputs["noisy"].array - 1).max() > 0.1
    np.testing.assert_allclose(tiled, whole, rtol=1e-3)


def test_eight_turns_make_the_answer_turn_with_the_scene(prepared, given):
    rng = torch.Generator().manual_seed(0)
    noisy = given.inputs["noisy"]
    noisy = noisy.with_array(noisy.array[:, :64, :64], grid=noisy.grid.crop(Window(0, 0, 64, 64)))
    turned = noisy.with_array(np.ascontiguousarray(np.rot90(noisy.array, 1, (1, 2))[:, :, ::-1]))
    apart = {}
    for turns in (1, 8):
        network = ready(prepared, turns=turns)
        with torch.no_grad():
            for weights in network.module.parameters():
                weights.copy_(0.1 * torch.randn(weights.shape, generator=rng))
        one, two = (predict(network, {"noisy": each})["filtered"].array for each in (noisy, turned))
        apart[turns] = np.abs(np.log(np.rot90(one, 1, (1, 2))[:, :, ::-1] / two)).max()
    assert apart[8] < 1e-4
    assert apart[1] > 0.01


def test_an_intensity_of_0_stays_finite(prepared, given):
    array = given.inputs["noisy"].array.copy()
    array[:, 10:14, 10:14] = 0
    said = predict(ready(prepared), {"noisy": replace(given.inputs["noisy"], array=array)})
    assert np.isfinite(said["filtered"].array).all()


@pytest.mark.parametrize("loss", ["l1", "l2", "likelihood", "histogram"])
def test_every_loss_is_lower_at_the_truth_than_beside_it(loss, prepared):
    network = ready(prepared, loss=loss)
    noisy = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (4, 2, 64, 64)).astype(np.float32) * 0.05
    centre, scale = network._statistics
    batch = {"noisy": None, "other": torch.from_numpy(np.log(noisy)), "stable": torch.ones(4, 2, 64, 64)}

    def cost(offset):
        value = torch.from_numpy((np.log(0.05) + offset - centre) / scale).float().expand(4, 2, 64, 64)
        return sum(network.losses(lambda seen: value, batch).values())

    assert cost(0) < cost(-0.12)
    assert cost(0) < cost(0.12)
    assert cost(0) < cost(log_mean(4.4))


@pytest.mark.slow
def test_a_short_training_beats_the_unfiltered_scene(prepared, tmp_path):
    training = {"epochs": 3, "steps_per_epoch": 40, "batch": 4, "lr": 5e-3, "threads": 1}
    run = params(loss="likelihood", training=training)
    record = train_run(Stage(TASK, run, prepared, tmp_path / "checkpoints"), tmp_path / "weights")
    val = TASK.samples(prepared, "val", run)[0]
    unfiltered = predict(TASK.methods(run).controls["unfiltered"], val.inputs)
    before = TASK.summarise(TASK.measure(val, unfiltered))["psnr_db"]
    assert record["trainings"]["weights"]["history"][-1]["psnr_db"] > before + 0.5
    said = predict(restore(TASK, run, tmp_path / "weights"), val.inputs)
    assert TASK.summarise(TASK.measure(val, said))["ratio_mean"] == pytest.approx(1, abs=0.1)


def test_weights_of_other_bands_are_refused(prepared):
    network = ready(prepared)
    state = module_state(network.module)
    again = ready(prepared).restored(state, network.preprocessing)
    assert again.preprocessing == network.preprocessing
    with pytest.raises(VersionCorrupt, match="VH"):
        network.restored(state, {**network.preprocessing, "bands": ["VV"]})


def test_the_truth_scores_best_and_takes_away_speckle_and_nothing_else(given):
    truth, noisy = given.targets["reflectivity"], given.inputs["noisy"]
    best = TASK.summarise(TASK.measure(given, answer(noisy, truth.array)))
    none = TASK.summarise(TASK.measure(given, answer(noisy, noisy.array)))
    assert best["psnr_db"] == 100
    assert best["ssim"] == pytest.approx(1)
    assert best["ratio_mean"] == pytest.approx(1, abs=0.03)
    assert best["ratio_variance"] == pytest.approx(1 / 4.4, rel=0.1)
    assert best["ratio_variance"] == pytest.approx(best["speckle_variance"])
    assert none["enl"] == pytest.approx(4.4, rel=0.1)
    assert (none["ratio_mean"], none["ratio_variance"]) == (pytest.approx(1), pytest.approx(0, abs=1e-9))
    assert none["psnr_db"] < 40


def test_looks_are_told_on_even_ground_only(given):
    noisy, kind = given.inputs["noisy"], given.targets["kind"]
    smeared = answer(noisy, noisy.array)
    fields = replace(given, targets={**given.targets, "kind": kind.with_array(np.full_like(kind.array, FIELD))})
    scores = TASK.summarise(TASK.measure(fields, smeared))
    assert scores["enl"] is scores["ratio_mean"] is scores["ratio_variance"] is None
    assert scores["psnr_db"] is not None
    assert STABLE in kind.array


def test_without_truth_the_ratio_still_counts(given):
    bare = replace(given, targets={})
    scores = TASK.summarise(TASK.measure(bare, answer(given.inputs["noisy"], given.inputs["noisy"].array)))
    assert scores["psnr_db"] is None
    assert scores["enl"] is None
    assert scores["ratio_mean"] == pytest.approx(1)


def test_sources_become_one_chip_a_place_with_their_dates_in_order(tmp_path):
    made = chip("a", 1)
    series = made.inputs["series"]
    scenes = {f"date-{date:%Y%m%d}": series.scene(index) for index, date in enumerate(series.dates)}
    write_source(tmp_path, "a", "a", {**scenes, **made.targets})
    run = params()
    (cut,) = TASK.prepare(read_sources(tmp_path), run)
    assert cut.inputs["series"].dates == series.dates
    np.testing.assert_array_equal(cut.inputs["series"].array, series.array)
    np.testing.assert_array_equal(cut.targets["reflectivity"].array, made.targets["reflectivity"].array)
    assert cut.window == Window(0, 0, 96, 96)
    with pytest.raises(UnitMismatch):
        list(TASK.prepare(read_sources(tmp_path), params(unit="db")))


def test_a_source_of_one_date_is_refused(tmp_path):
    series = chip("a", 1).inputs["series"]
    write_source(tmp_path, "a", "a", {"date-20220105": series.scene(0)})
    with pytest.raises(NotEnoughData, match="1 dates"):
        list(TASK.prepare(read_sources(tmp_path), params()))


@pytest.mark.parametrize(
    ("section", "message"),
    [({"looks": None}, "looks"), ({"spacing_px": 2}, "spacing_px"), ({"method": "temporal-multilook"}, "series")],
)
def test_a_run_that_cannot_be_is_refused(section, message):
    with pytest.raises(BadParams, match=message):
        TASK.methods(params(**section))
