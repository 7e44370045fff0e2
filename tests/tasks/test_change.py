"""The change task: methods find a planted change, keep nodata, and survive the way to disk and back."""

import json

import numpy as np
import pytest
import torch

from components.errors import BadParams, BandMismatch, VersionCorrupt
from components.inference.tiled import predict
from components.raster.grid import Window
from components.tasks.bundle import module_state
from components.tasks.change import TASK
from components.tasks.chips import Chip, pack
from components.tasks.params import RunParams
from components.tasks.seam import Sample
from tests.scenes import BURN_BANDS, change_pair
from tests.tasks import contract

CLASSICAL = ["cva-otsu", "pca-kmeans", "dnbr-otsu"]
NETWORKS = ["fc-ef", "fc-siam-conc", "fc-siam-diff", "fc-ef-res", "index-unet"]
FEATURES = {"absolute": ["drop.nbr", "after.B12"], "relative": ["drop.nbr", "drop.log.B08"]}
HOLE = Window(3, 5, 6, 7)


def params(method="cva-otsu", **changed):
    split = {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]}
    features = {"features": FEATURES} if method == "index-unet" else {}
    section = {"name": method, "bands": list(BURN_BANDS), "crop_px": 32, "crops": 40, **features, **changed}
    return RunParams.model_validate(
        {"task": "change", "dataset": "tiny", "description": "-", "split": split, "method": section, "seed": 3}
    )


def sample(seed=0, shape=(64, 72), hole=None):
    made = change_pair(shape, seed=seed)
    before = made.before.array.copy()
    if hole:
        before[(slice(None), *hole.slices)] = np.nan
    inputs = {"before": made.before.with_array(before), "after": made.after}
    return Sample(f"s{seed}", "a", inputs, {"change": made.mask, "kind": made.mask})


def method_of(name, **changed):
    return TASK.methods(params(name, **changed)).candidate


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    samples = [(place, sample(seed)) for seed, place in enumerate(("a", "b", "c", "a"))]
    chips = [Chip(s.id, p, s.id, s.targets["change"].grid.window, s.inputs, s.targets) for p, s in samples]
    return pack(iter(chips), tmp_path_factory.mktemp("prepared")).of(params().split.folds()[0])


@pytest.mark.parametrize("name", ["cva-otsu", "fc-siam-diff", "index-unet"])
def test_the_task_keeps_to_the_contract(name, prepared):
    run = params(name)
    spec, methods, given = TASK.spec(run), TASK.methods(run), TASK.samples(prepared, "test", run)[0]
    contract.require_spec(spec)
    contract.require_methods(methods)
    contract.require_inputs(spec, given)
    rows = []
    for seed, method in enumerate(methods.named().values()):
        outputs = predict(method, given.inputs)
        contract.require_outputs(spec, given, outputs)
        contract.require_nodata_kept(spec, given, method)
        rows += [row for place in (given, sample(seed)) for row in TASK.measure(place, outputs)]
    contract.require_rows(rows[:1], given)
    contract.require_scores(TASK, spec, rows, np.random.default_rng(0))
    contract.require_picture(TASK.draw(given, outputs))
    contract.require_pure(TASK.samples(prepared, "train", run))


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_find_a_planted_fire(name):
    given = sample()
    scores = TASK.summarise(TASK.measure(given, predict(method_of(name), given.inputs)))
    assert scores["f1"] > 0.9


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_answer_alike_in_tiles_and_as_a_whole(name):
    given, method = sample(), method_of(name)
    whole, tiled = predict(method, given.inputs), predict(method, given.inputs, tile_px=16)
    assert np.array_equal(whole["change"].array, tiled["change"].array)


def test_classical_methods_are_quiet_about_a_pair_without_any_pixel():
    given = sample(hole=Window(0, 0, 64, 72))
    for name in (*CLASSICAL, "all-unchanged"):
        assert not predict(method_of(name), given.inputs)["change"].valid.any(), name


def test_all_unchanged_has_no_recall_and_no_precision():
    given = sample()
    scores = TASK.summarise(TASK.measure(given, method_of("all-unchanged").predict(given.inputs)))
    assert (scores["recall"], scores["f1"], scores["precision"]) == (0.0, 0.0, None)


@pytest.mark.parametrize("name", [*CLASSICAL, "all-unchanged", *NETWORKS])
def test_nodata_of_either_date_is_nodata_of_the_answer(name):
    outputs = predict(method_of(name), sample(hole=HOLE).inputs)
    for output in outputs.values():
        hidden = np.zeros(output.grid.shape, dtype=bool)
        hidden[HOLE.slices] = True
        assert np.array_equal(output.valid, ~hidden)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_answer_alike_in_tiles_and_as_a_whole(name):
    given, method = sample(shape=(48, 500)), method_of(name)
    whole, tiled = (predict(method, given.inputs, tile_px=size)["probability"].array for size in (500, 128))
    assert np.allclose(whole, tiled, atol=1e-5)


def test_flips_make_the_answer_turn_with_the_scene():
    given = sample(shape=(64, 64))
    turned = {name: scene.with_array(np.rot90(scene.array, 1, (1, 2)).copy()) for name, scene in given.inputs.items()}
    method = method_of("fc-siam-conc", flips=True)
    straight, other = (method.predict(each)["probability"].array for each in (given.inputs, turned))
    assert np.allclose(np.rot90(straight, 1, (1, 2)), other, atol=1e-5)
    plain = method_of("fc-siam-conc")
    assert not np.array_equal(plain.predict(turned)["probability"].array, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_learnt_numbers_answer_alike_after_a_way_through_json(name, prepared):
    torch.manual_seed(0)
    trained = method_of(name).prepared_for(TASK.samples(prepared, "train", params(name)))
    text = json.dumps(trained.preprocessing, allow_nan=False)
    torch.manual_seed(1)
    again = method_of(name).restored(module_state(trained.module), json.loads(text))
    given = sample(seed=9)
    first, second = (predict(each, given.inputs)["probability"].array for each in (trained, again))
    assert np.array_equal(first, second)


def test_restoring_refuses_other_tensors_and_other_channels():
    method = method_of("fc-ef")
    state, preprocessing = module_state(method.module), method.preprocessing
    name = next(iter(state))
    for broken in (
        {name: state[name]},
        {**state, "extra": state[name]},
        {**state, name: state[name].astype("float64")},
    ):
        with pytest.raises(VersionCorrupt):
            method_of("fc-ef").restored(broken, preprocessing)
    with pytest.raises(VersionCorrupt, match="channels"):
        method.restored(state, {**preprocessing, "channels": ["B02", "B03", "B04", "B08", "B11"]})
    with pytest.raises(VersionCorrupt, match="cannot be read"):
        method.restored(state, {"channels": list(BURN_BANDS)})


def test_statistics_are_of_valid_training_pixels_alone(prepared):
    run = params("fc-ef")
    train = TASK.samples(prepared, "train", run)
    fitted = TASK.methods(run).candidate.prepared_for(train)
    dates = [sample(seed).inputs[date].array for seed in (0, 3) for date in ("before", "after")]
    pixels = np.concatenate([each.reshape(5, -1) for each in dates], axis=1).astype(np.float64)
    assert np.allclose(fitted.preprocessing["mean"], pixels.mean(1))
    assert np.allclose(fitted.preprocessing["std"], pixels.std(1))


def test_crops_are_a_function_of_seed_and_index(prepared):
    run = params("index-unet", jitter=0.1)
    one, other = (TASK.samples(prepared, "train", run) for _ in range(2))
    networks = [TASK.methods(run).candidate.prepared_for(each) for each in (one, other)]
    for index in (5, 0, 39):
        first, second = (n.collate([s[index]]) for n, s in zip(networks, (one, other), strict=True))
        assert torch.equal(first["inputs"][0], second["inputs"][0])
        assert torch.equal(first["truth"], second["truth"])
    assert one[0].inputs["before"].array.shape == (5, 32, 32)
    reseeded = TASK.samples(prepared, "train", run.model_copy(update={"seed": 4}))
    assert not np.array_equal(one[0].inputs["before"].array, reseeded[0].inputs["before"].array)


def test_crops_keep_both_dates_and_the_truth_together(prepared):
    train = TASK.samples(prepared, "train", params(jitter=0.0))
    for index in range(10):
        crop = train[index]
        drop = crop.inputs["before"].array[3] - crop.inputs["after"].array[3]
        assert np.array_equal(drop > 0.1, (crop.targets["change"].array[0] == 1) & (drop > 0.1))


def test_swapped_dates_turn_the_sign_of_what_drops(prepared):
    run = params("index-unet", features={"relative": ["drop.nbr"]})
    swapped = params("index-unet", features={"relative": ["drop.nbr"]}, swap=1.0)
    plain, other = (TASK.samples(prepared, "train", each) for each in (run, swapped))
    network = TASK.methods(run).candidate
    for index in range(5):
        straight, turned = (network.collate([crops[index]])["inputs"][0] for crops in (plain, other))
        assert torch.allclose(straight, -turned, atol=1e-4)
    fitted = TASK.methods(swapped).candidate.prepared_for(other)
    assert fitted.preprocessing["mean"] == pytest.approx([0.0], abs=1e-6)


def test_a_chip_smaller_than_a_crop_is_filled_with_nodata(prepared):
    crop = TASK.samples(prepared, "train", params(crop_px=80))[0]
    assert crop.targets["change"].array.shape == (1, 80, 80)
    assert (crop.targets["change"].array == 255).sum() == 80 * 80 - 64 * 72
    assert np.array_equal(crop.targets["change"].valid, crop.inputs["before"].valid)


def test_a_network_learns_a_planted_fire_in_a_few_steps(prepared):
    torch.manual_seed(0)
    run = params("index-unet", dice_weight=1.0)
    train = TASK.samples(prepared, "train", run)
    network = TASK.methods(run).candidate.prepared_for(train)
    optimizer = torch.optim.Adam(network.module.parameters(), 3e-3)
    network.module.train()
    for step in range(25):
        losses = network.losses(network.module, network.collate([train[(2 * step + n) % 40] for n in range(2)]))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    given = TASK.samples(prepared, "test", run)[0]
    assert TASK.summarise(TASK.measure(given, predict(network, given.inputs)))["f1"] > 0.8


def test_bands_are_found_by_name_and_a_missing_one_is_named():
    given = sample()
    shuffled = {name: scene.select(tuple(reversed(BURN_BANDS))) for name, scene in given.inputs.items()}
    for name in (*CLASSICAL, "fc-ef"):
        method = method_of(name)
        answers = [predict(method, each)["change"].array for each in (given.inputs, shuffled)]
        assert np.array_equal(*answers), name
    with pytest.raises(BandMismatch, match="B12"):
        method_of("dnbr-otsu").predict({n: s.select(BURN_BANDS[:4]) for n, s in given.inputs.items()})


def test_baselines_are_those_that_the_bands_allow():
    assert set(TASK.methods(params("fc-ef")).baselines) == set(CLASSICAL)
    assert set(TASK.methods(params("fc-ef", bands=["B02", "B03", "B04"])).baselines) == {"cva-otsu", "pca-kmeans"}


def test_a_small_unet_without_features_is_refused():
    with pytest.raises(BadParams, match="features"):
        TASK.methods(params("index-unet", features={}))
