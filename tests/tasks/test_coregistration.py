"""The co-registration task: keeps to the contract, and its truth, samples and scores mean what they say."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from components.errors import BadScene, BandMismatch, UnitMismatch
from components.inference.tiled import predict
from components.raster.grid import Grid
from components.raster.scene import Class, Scene
from components.raster.warping import warp
from components.tasks.chips import Chip, pack
from components.tasks.coregistration import TASK, scoring
from components.tasks.coregistration.deformation import STEEPEST, deformed, draw_flow, inverse
from components.tasks.coregistration.options import DeformationOptions, method_options
from components.tasks.coregistration.pair import pair_of
from components.tasks.coregistration.samples import Crops
from components.tasks.params import RunParams
from components.tasks.seam import Sample
from tests.tasks import contract

BANDS = ("B02", "B03", "B04")
SIDE = 160


def params(method="templates", **changed):
    split = {"kind": "places", "train": ["a", "b"], "val": ["c"], "test": ["d"]}
    sides = {
        "reference": {"sensor": "sentinel-1", "bands": ["VV", "VH"], "unit": "intensity"},
        "moving": {"sensor": "sentinel-2", "bands": list(BANDS), "unit": "reflectance"},
    }
    section = {"name": method, **sides, "crop_px": 64, "crops": 60, "deformation": {"most_px": 6}, **changed}
    return RunParams.model_validate(
        {"task": "coregistration", "dataset": "tiny", "description": "-", "split": split, "method": section, "seed": 3}
    )


def aligned(seed, side=SIDE):
    """Two sensors' view of one ground: what is bright to one is dark to the other here and there."""
    rng = np.random.default_rng(seed)
    ground = sum(gaussian_filter(rng.standard_normal((side, side)), s) * s for s in (1.5, 4, 10)).astype(np.float32)
    ground /= ground.std()
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 5e5 + 1e5 * seed, 0, -10, 5e6), (side, side))
    speckle = rng.gamma(20, 1 / 20, (2, side, side)).astype(np.float32)
    radar = np.exp(0.5 * ground) * speckle * 0.1
    optical = 0.2 + 0.05 * ground + 0.005 * rng.standard_normal((3, side, side)).astype(np.float32)
    height = gaussian_filter(rng.standard_normal((1, side, side)), (0, 12, 12)).astype(np.float32) * 300
    return {
        "reference": Scene(radar.astype(np.float32), grid, ("VV", "VH"), "intensity", np.nan),
        "moving": Scene(optical.astype(np.float32), grid, BANDS, "reflectance", np.nan),
        "height": Scene(height, grid, ("height",), "m", np.nan),
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    made = {place: aligned(seed) for seed, place in enumerate("abcd")}
    chips = [Chip(place, place, place, each["moving"].grid.window, each) for place, each in made.items()]
    return pack(iter(chips), tmp_path_factory.mktemp("prepared")).of(params().split.folds()[0])


@pytest.mark.parametrize("name", ["templates", "gefolki", "pwc-net-multimodal"])
def test_the_task_keeps_to_the_contract(name, prepared):
    run = params(name, width=0.25)
    spec, methods, given = TASK.spec(run), TASK.methods(run), TASK.samples(prepared, "test", run)[0]
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


def test_a_drawn_flow_keeps_to_its_limits_and_follows_the_relief():
    height = np.add.outer(np.zeros(96), np.linspace(0, 400, 96)).astype(np.float32)
    only_relief = DeformationOptions(shift_px=0, relief_px=3, warp_px=0, noise_px=0, most_px=5)
    for seed in range(8):
        flow = draw_flow((96, 96), only_relief, np.random.default_rng(seed), height)
        assert np.linalg.norm(flow, axis=0).max() <= 5 + 1e-4
        assert max(np.abs(np.diff(flow, axis=axis)).max() for axis in (1, 2)) <= STEEPEST + 1e-5
        assert abs(np.corrcoef(flow[0].ravel(), height.ravel())[0, 1]) > 0.99
        assert np.ptp(flow[0], axis=0).max() < 1e-4


def test_the_way_back_undoes_a_flow():
    flow = draw_flow((128, 120), DeformationOptions(), np.random.default_rng(1))
    back = inverse(flow)
    rows, cols = np.indices(flow.shape[1:])
    grid = Grid(None, Affine.identity(), flow.shape[1:])
    there = warp(Scene(flow, grid, ("u", "v"), "px", np.nan), back).array  # w(y + v(y))
    inside = np.isfinite(there).all(0) & (rows > 16) & (rows < 112) & (cols > 16) & (cols < 104)
    assert np.abs(there + back)[:, inside].max() < 0.05


def test_what_stood_at_a_pixel_stands_where_the_flow_points():
    scene = aligned(5)["moving"]
    shift = np.zeros((2, SIDE, SIDE), np.float32)
    shift[0], shift[1] = 3, -2  # three columns to the right, two rows up
    moved = deformed(scene, shift).array
    np.testing.assert_allclose(
        moved[:, 10:-10, 10:-10], np.roll(scene.array, (-2, 3), (1, 2))[:, 10:-10, 10:-10], atol=1e-5
    )


def test_the_true_flow_brings_a_displaced_scene_back(prepared):
    given = TASK.samples(prepared, "test", params())[0]
    original = prepared.chip("d").inputs["moving"].array
    back = warp(given.inputs["moving"], given.targets["flow"].array).array
    inside = np.s_[:, 16:-16, 16:-16]
    before = np.nanmean(np.abs(given.inputs["moving"].array[inside] - original[inside]))
    assert np.nanmean(np.abs(back[inside] - original[inside])) < 0.2 * before


def test_turned_crops_keep_their_truth(prepared):
    crops = TASK.samples(prepared, "train", params(unrelated=0.0))
    for index in range(12):
        crop = crops[index]
        back = warp(crop.inputs["moving"], crop.targets["flow"].array).array
        inside = np.s_[:, 12:-12, 12:-12]
        twin = crop.inputs["reference_twin"].array[inside]
        off = np.nanmean(np.abs(crop.inputs["moving"].array[inside] - twin))
        assert np.nanmean(np.abs(back[inside] - twin)) < 0.35 * max(off, 0.004), index


def test_a_share_of_the_crops_shows_two_places_and_has_no_flow(prepared):
    crops = TASK.samples(prepared, "train", params(unrelated=0.5))
    related = [crops[index].related for index in range(60)]
    assert 15 < sum(related) < 45
    stranger = crops[related.index(False)]
    assert np.isnan(stranger.targets["flow"].array).all()
    assert set(stranger.statistics) == {"reference", "moving", "reference_twin", "moving_twin"}


def test_statistics_of_a_crop_are_those_of_its_whole_chip(prepared):
    crops = Crops(prepared, ("a",), method_options(params(unrelated=0.0)), 0)
    np.testing.assert_array_equal(crops[0].statistics["moving"], crops[7].statistics["moving"])


def test_no_flow_scores_the_length_of_the_truth(prepared):
    run = params()
    given = TASK.samples(prepared, "test", run)[0]
    output = predict(TASK.methods(run).controls["zero-flow"], given.inputs)
    scores = TASK.summarise(TASK.measure(given, output))
    length = np.linalg.norm(given.targets["flow"].array, axis=0)
    assert scores["epe"] == pytest.approx(length.mean(), rel=0.1)
    assert scores["best_shift_epe"] < scores["epe"]


def test_template_matching_finds_the_flow(prepared):
    run = params()
    given = TASK.samples(prepared, "test", run)[0]
    scores = TASK.summarise(TASK.measure(given, predict(TASK.methods(run).candidate, given.inputs)))
    zero = TASK.summarise(TASK.measure(given, predict(TASK.methods(run).controls["zero-flow"], given.inputs)))
    assert scores["epe"] < 0.5 * zero["epe"]


def test_wrong_inputs_are_refused_in_one_sentence():
    scenes, options = aligned(0), method_options(params())
    decibels = scenes["reference"].with_array(10 * np.log10(scenes["reference"].array))
    with pytest.raises(BadScene, match="decibels"):
        pair_of({**scenes, "reference": decibels}, options)
    with pytest.raises(UnitMismatch):
        pair_of({**scenes, "reference": decibels.with_array(decibels.array, unit="db")}, options)
    with pytest.raises((BandMismatch, UnitMismatch)):
        pair_of({"reference": scenes["moving"], "moving": scenes["reference"]}, options)
    with pytest.raises(BandMismatch, match="reference"):
        pair_of({"moving": scenes["moving"]}, options)


def test_a_blank_scene_gives_no_confident_flow():
    scenes, run = aligned(0), params()
    blank = scenes["moving"].with_array(np.full_like(scenes["moving"].array, 0.2))
    for name, method in TASK.methods(run).named().items():
        said = predict(method, {"reference": scenes["reference"], "moving": blank})
        assert np.nanmean(said["confidence"].array) < 0.3, name


def test_an_unrelated_pair_gives_low_confidence():
    run = params()
    said = predict(TASK.methods(run).candidate, {"reference": aligned(0)["reference"], "moving": same_grid(7, 0)})
    assert np.nanmean(said["confidence"].array) < 0.3


def same_grid(seed, other):
    return aligned(seed)["moving"].with_array(aligned(seed)["moving"].array, grid=aligned(other)["moving"].grid)


def test_a_sample_with_a_true_flow_keeps_it(tmp_path):
    made = aligned(0)
    truth = np.full((2, SIDE, SIDE), 1.5, np.float32)
    flow = Scene(truth, made["moving"].grid, ("u", "v"), "px", np.nan)
    inputs = {name: made[name] for name in ("reference", "moving")}
    chip = Chip("d", "d", "d", flow.grid.window, inputs, {"flow": flow})
    sample = TASK.samples(pack(iter([chip]), tmp_path).of(params().split.folds()[0]), "test", params())[0]
    assert isinstance(sample, Sample)
    np.testing.assert_array_equal(sample.targets["flow"].array, truth)
    np.testing.assert_array_equal(sample.inputs["moving"].array, made["moving"].array)


def with_cover(prepared, tmp_path, name="d"):
    """The chip of a place with a land cover of two classes: the upper half is water."""
    chip = prepared.chip(name)
    codes = np.where(np.arange(SIDE)[:, None] < SIDE // 2, np.full((SIDE, SIDE), 4), 2).astype("uint8")
    codes[:, 70:80] = 255  # not known
    classes = (Class(2, "forest", (0, 90, 0)), Class(4, "water", (0, 0, 90)), Class(5, "ice", (9, 9, 9)))
    cover = Scene(codes[None], chip.inputs["moving"].grid, ("class",), "class", 255, classes=classes)
    changed = Chip(name, name, name, chip.window, chip.inputs, {"cover": cover})
    return pack(iter([changed]), tmp_path).of(params().split.folds()[0])


def test_errors_are_told_apart_by_land_cover_where_it_is_known(prepared, tmp_path):
    run = params()
    given = TASK.samples(with_cover(prepared, tmp_path), "test", run)[0]
    rows = TASK.measure(given, predict(TASK.methods(run).controls["zero-flow"], given.inputs))
    scores = TASK.summarise(rows)
    length = np.linalg.norm(given.targets["flow"].array, axis=0)
    seen = scoring.comparable(given, given.targets["flow"].array)
    seen[:, 70:80] = False
    upper = np.arange(SIDE)[:, None] < SIDE // 2
    assert scores["epe.water"] == pytest.approx(length[seen & upper].mean(), rel=1e-5)
    assert scores["epe.forest"] == pytest.approx(length[seen & ~upper].mean(), rel=1e-5)
    assert scores["epe.ice"] is None

    plain = TASK.samples(prepared, "test", run)[0]
    np.testing.assert_array_equal(plain.targets["flow"].array, given.targets["flow"].array)
    other = TASK.measure(plain, predict(TASK.methods(run).controls["zero-flow"], plain.inputs))
    assert "epe.water" not in TASK.summarise(other)
    assert TASK.summarise([*rows, *other])["epe.water"] == scores["epe.water"]


def test_the_mean_error_is_that_of_its_parts(prepared):
    given = TASK.samples(prepared, "test", params())[0]
    (row,) = TASK.measure(given, predict(TASK.methods(params()).controls["zero-flow"], given.inputs))
    parts = [key for key in row.values if key.startswith("epe_sum.") and key.endswith("px")]
    assert len(parts) == 4
    assert sum(row.values[key] for key in parts) == pytest.approx(row.values["epe_sum"])
