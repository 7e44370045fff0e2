"""Means over dates as the truth: dates left out of them, speckle drawn on them, and scores that know their limits."""

from dataclasses import replace

import numpy as np
import pytest

from components.errors import BadParams, NotEnoughData, UnknownName
from components.raster.dataset import read_sources, write_source
from components.raster.grid import Window
from components.simulation.radar_series import radar_series
from components.simulation.speckle import Speckle, speckled
from components.tasks.chips import Chip, pack
from components.tasks.despeckling import TASK
from components.tasks.despeckling.reference_scoring import BLOCK_PX, even
from components.tasks.despeckling.scenes import answer
from components.tasks.params import RunParams
from tests.tasks import contract

DATES, SIDE = 12, 75


def params(prepare=None, **changed):
    split = {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]}
    section = {"name": "dilated-residual", "looks": 4.4, "width": 4, "crop_px": 40, "crops": 30, **changed}
    run = {"task": "despeckling", "dataset": "tiny", "description": "-", "split": split, "method": section, "seed": 3}
    return RunParams.model_validate({**run, "prepare": prepare or {}})


def stack(seed):
    return radar_series(seed, (96, 96), dates=DATES, seen=Speckle(4.4)).stack.crop(Window(0, 0, SIDE, SIDE))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    chips = [Chip(name, name, name, Window(0, 0, SIDE, SIDE), {"series": stack(n)}) for n, name in enumerate("abc")]
    return pack(iter(chips), tmp_path_factory.mktemp("prepared")).of(params().split.folds()[0])


def test_every_date_is_held_against_the_mean_of_the_others(prepared):
    samples, series = TASK.samples(prepared, "test", params()), prepared.chip("c").inputs["series"]
    assert len(samples) == DATES
    sample = samples[4]
    assert sample.inputs["noisy"].acquired == series.dates[4]
    np.testing.assert_array_equal(sample.inputs["noisy"].array, series.array[4])
    expected = np.delete(series.array, 4, 0).mean(0)
    np.testing.assert_allclose(sample.targets["reference"].array, expected, rtol=1e-5)


def test_ground_that_changed_on_the_date_does_not_count(prepared, tmp_path):
    series = prepared.chip("c").inputs["series"]
    array = series.array.copy()
    array[4, :, 20:40, 20:40] *= 4
    chip = Chip("c", "c", "c", Window(0, 0, SIDE, SIDE), {"series": replace(series, array=array)})
    changed = pack(iter([chip]), tmp_path).of(params().split.folds()[0])
    on, before = (TASK.samples(changed, "test", params())[date].targets["stable"].array for date in (4, 3))
    assert on[:, 22:38, 22:38].mean() < 0.05
    assert before[:, 20:40, 20:40].mean() > 0.5


def test_drawn_speckle_has_the_declared_looks_and_the_mean_over_dates_as_truth(prepared):
    run = params(speckle="drawn", looks=1, draws=20)
    samples = TASK.samples(prepared, "test", run)
    assert len(samples) == 20
    truth = samples[0].targets["reference"].array
    ratios = np.stack([samples[draw].inputs["noisy"].array / truth for draw in range(20)])
    assert ratios.mean() == pytest.approx(1, abs=0.01)
    assert ratios.var() == pytest.approx(1, rel=0.02)
    assert abs(np.corrcoef(ratios[0].ravel(), ratios[1].ravel())[0, 1]) < 0.03
    np.testing.assert_allclose(truth, prepared.chip("c").inputs["series"].array.mean(0), rtol=1e-5)


def test_drawn_crops_hold_the_clean_window_that_the_speckle_was_drawn_on(prepared):
    crops = TASK.samples(prepared, "train", params(speckle="drawn", looks=1, gain=0.5))
    ratios = [crops[i].inputs["noisy"].array / crops[i].targets["other"].array for i in range(30)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.var(ratios) == pytest.approx(1, rel=0.05)
    levels = [crops[i].targets["other"].array.mean() for i in range(30)]
    assert np.std(np.log(levels)) > 0.2, "gains differ"


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("speckle", ["seen", "drawn"])
def test_samples_are_pure(split, speckle, prepared):
    contract.require_pure(TASK.samples(prepared, split, params(speckle=speckle, draws=2)))


@pytest.mark.parametrize("speckle", ["seen", "drawn"])
def test_the_task_keeps_to_the_contract(speckle, prepared):
    run = params(speckle=speckle)
    given = TASK.samples(prepared, "test", run)[0]
    noisy = given.inputs["noisy"]
    rows = TASK.measure(given, answer(noisy, noisy.array))
    contract.require_rows(rows, given)
    contract.require_scores(TASK, TASK.spec(run), rows, np.random.default_rng(0))
    contract.require_picture(TASK.draw(given, answer(noisy, noisy.array)))


def scores(sample, filtered):
    return TASK.summarise(TASK.measure(sample, answer(sample.inputs["noisy"], filtered)))


@pytest.fixture
def textured(prepared):
    """A date of one look over ground with fields, edges and bright points, whose truth is known."""
    rng = np.random.default_rng(0)
    sample = TASK.samples(prepared, "test", params())[0]
    truth = np.kron(rng.gamma(2, 0.5, (2, 15, 15)), np.ones((5, 5))).astype(np.float32)
    truth[:, 3::10, 3::10] = 40
    noisy = sample.inputs["noisy"].with_array(speckled(truth, Speckle(1), 5))
    reference = sample.targets["reference"].with_array(truth)
    stable = sample.targets["stable"].with_array(np.ones_like(truth))
    return replace(sample, inputs={"noisy": noisy}, targets={"reference": reference, "stable": stable})


def test_the_reference_itself_scores_best(textured):
    truth = textured.targets["reference"].array
    best, none = scores(textured, truth), scores(textured, textured.inputs["noisy"].array)
    assert (best["psnr_db"], best["log_rmse_db"], best["target_contrast_loss_db"]) == (100, 0, 0)
    assert best["edge_preservation"] == pytest.approx(1)
    assert best["stable_ratio_mean"] == pytest.approx(1, abs=0.03)
    assert best["stable_ratio_variance"] == pytest.approx(best["stable_speckle_variance"])
    assert best["stable_ratio_variance"] == pytest.approx(1, rel=0.1)
    assert none["psnr_db"] < 25
    assert none["log_rmse_db"] == pytest.approx(10 / np.log(10) * np.sqrt(1.6449 + 0.5772**2), rel=0.05)
    assert none["stable_ratio_variance"] == pytest.approx(0, abs=1e-9)


def test_a_blur_loses_targets_and_edges(textured):
    truth = textured.targets["reference"].array
    blurred = sum(np.roll(truth, (down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)) / 9
    found = scores(textured, blurred)
    assert found["target_contrast_loss_db"] > 3
    assert found["edge_preservation"] < 0.95


def test_a_gain_is_told_by_the_ratio_and_by_the_logarithms(textured):
    found = scores(textured, textured.targets["reference"].array * 2)
    assert found["stable_ratio_mean"] == pytest.approx(0.5, abs=0.02)
    assert found["log_rmse_db"] == pytest.approx(3.01, abs=0.01)


def test_even_ground_has_looks_and_a_ratio_but_no_psnr(prepared):
    sample = TASK.samples(prepared, "test", params())[0]
    flat = np.full((2, SIDE, SIDE), 0.1, np.float32)
    reference = sample.targets["reference"].with_array(speckled(flat, Speckle(100), 1))
    noisy = sample.inputs["noisy"].with_array(speckled(flat, Speckle(4.4), 2))
    stable = sample.targets["stable"].with_array(np.ones_like(flat))
    given = replace(sample, inputs={"noisy": noisy}, targets={"reference": reference, "stable": stable})
    found = scores(given, flat)
    assert found["psnr_db"] is None
    assert found["enl"] == pytest.approx(100, rel=0.1), "the looks of the reference, which no filter exceeds"
    assert found["ratio_mean"] == pytest.approx(1, abs=0.02)
    assert found["ratio_variance"] == pytest.approx(1 / 4.4, rel=0.1)


def test_blocks_that_are_mostly_unstable_have_no_psnr(textured):
    mask = np.ones((2, SIDE, SIDE), np.float32)
    mask[:, :BLOCK_PX, :BLOCK_PX] = 0
    given = replace(textured, targets={**textured.targets, "stable": textured.targets["stable"].with_array(mask)})
    rows = TASK.measure(given, answer(given.inputs["noisy"], given.inputs["noisy"].array))
    by_unit = {row.unit: row.values for row in rows}
    assert len(rows) == (SIDE // BLOCK_PX) ** 2
    assert by_unit["c/0-0"]["psnr_db"] == ()
    assert by_unit["c/0-0"]["stable.ratio.count"] == 0
    assert all(len(values["psnr_db"]) == 2 for unit, values in by_unit.items() if unit != "c/0-0")


def test_even_is_a_mean_over_dates_without_texture():
    flat = speckled(np.ones((60, 60)), Speckle(100), 0)
    flat[:, 30:] *= 4
    found = even(flat)
    assert found[:, 5:25].mean() > 0.75
    assert not found[:, 28:32].any()


def test_halves_of_a_source_are_places_with_a_gap(tmp_path):
    series = stack(1)
    scenes = {f"date-{date:%Y%m%d}": series.scene(index) for index, date in enumerate(series.dates)}
    for name in ("x", "y"):
        write_source(tmp_path, name, name, scenes)
    prepare = {"places": "halves", "gap_px": 9, "leave_out": ["y"]}
    chips = list(TASK.prepare(read_sources(tmp_path), params(prepare)))
    assert [(chip.place, chip.window) for chip in chips] == [
        ("x-north", Window(0, 0, 33, SIDE)),
        ("x-south", Window(42, 0, 33, SIDE)),
    ]
    np.testing.assert_array_equal(chips[1].inputs["series"].array, series.array[:, :, 42:])
    with pytest.raises(UnknownName, match="z"):
        list(TASK.prepare(read_sources(tmp_path), params({"leave_out": ["z"]})))
    with pytest.raises(NotEnoughData, match="halved"):
        list(TASK.prepare(read_sources(tmp_path), params({"places": "halves", "gap_px": SIDE})))


def test_drawn_speckle_needs_looks():
    with pytest.raises(BadParams, match="looks"):
        TASK.methods(params(name="lee", speckle="drawn", looks=None))


def test_a_matched_pair_has_one_level_and_keeps_its_brighter_date_stable(prepared, tmp_path):
    series = prepared.chip("a").inputs["series"]
    array = series.array.copy()
    array[::2] *= 3  # rain on every second date
    chip = Chip("a", "a", "a", Window(0, 0, SIDE, SIDE), {"series": replace(series, array=array)})
    wet = pack(iter([chip]), tmp_path).of(params().split.folds()[0])
    jumps, shares = {}, {}
    for level in ("kept", "matched"):
        pairs = [TASK.samples(wet, "train", params(level=level, lag_dates=1))[index] for index in range(10)]
        apart = [np.log(pair.targets["other"].array / pair.inputs["noisy"].array) for pair in pairs]
        jumps[level] = np.mean([abs(np.median(each)) for each in apart])
        shares[level] = np.mean([pair.targets["stable"].array.mean() for pair in pairs])
    assert jumps["kept"] == pytest.approx(np.log(3), abs=0.1)
    assert jumps["matched"] < 0.02
    assert shares["matched"] > 0.8 > 0.1 > shares["kept"]
