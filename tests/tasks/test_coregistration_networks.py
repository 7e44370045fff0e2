"""Flow networks behind the seam: what they see, what they learn from, what they answer."""

import json
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from affine import Affine
from scipy import ndimage

from components.errors import VersionCorrupt
from components.inference.compute import Compute
from components.inference.tiled import predict
from components.raster.grid import Grid, Window
from components.raster.scene import Scene
from components.tasks.bundle import module_state
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.families import FAMILIES
from components.tasks.coregistration.losses import confidence_loss, flow_loss
from components.tasks.coregistration.options import LEARNT_CELL_PX, MethodOptions
from components.tasks.coregistration.radiometry import randomised
from components.tasks.coregistration.views import statistics_of
from components.tasks.seam import Network, Sample
from models.flow_estimate import Step
from models.structural_features import STRIDE_PX

NAMES = list(FAMILIES)
WIDTHS = {
    "flownet-s": 0.125,
    "pwc-net": 0.25,
    "pwc-net-multimodal": 0.25,
    "recurrent-flow": 0.5,
    "learnt-templates": 0.25,
}
SETTINGS = {"learnt-templates": {"view": "both", "templates": {"radius": 8, "reach": 6, "step": 8, "cell": 2}}}
SAR = {"sensor": "sentinel-1", "bands": ["VV", "VH"], "unit": "intensity"}
OPTICAL = {"sensor": "sentinel-2", "bands": ["B02", "B08"], "unit": "reflectance"}
RELATED = {True: "related", False: "of two places"}


@dataclass(frozen=True)
class Crop(Sample):
    """A training crop as the task's samples make them."""

    related: bool = True
    statistics: dict = field(default_factory=dict)


def network(name="pwc-net-multimodal", **changed):
    torch.manual_seed(0)
    options = {"name": name, "reference": SAR, "moving": OPTICAL, "width": WIDTHS[name]}
    options |= {**SETTINGS.get(name, {}), **changed}
    return network_of(MethodOptions.model_validate(options))


def texture(rng, side, spread=2.0):
    """Smooth random ground of mean 0 and deviation 1."""
    ground = ndimage.gaussian_filter(rng.standard_normal((side, side)), spread)
    return ((ground - ground.mean()) / ground.std()).astype(np.float32)


def flow_of(side, amplitude=2.0):
    """A smooth known flow (2, row, col): a shift, and a wave about it."""
    y, x = np.mgrid[:side, :side] / side * 2 * np.pi
    return np.stack([1.5 + amplitude * np.sin(y), -1.0 + amplitude * np.cos(x)]).astype(np.float32)


def deformed(ground, flow, margin=16):
    """Ground at x + w(x) for each pixel of the window that is left without the margin."""
    side = flow.shape[1]
    y, x = np.mgrid[:side, :side] + margin
    return ndimage.map_coordinates(ground, [y + flow[1], x + flow[0]], order=3).astype(np.float32)


def scenes_of(radar, optical, side):
    grid = Grid(None, Affine.identity(), (side, side))
    sar = np.stack([np.exp(radar) * 0.1, np.exp(radar) * 0.02])
    return (
        Scene(sar.astype(np.float32), grid, ("VV", "VH"), "intensity", float("nan")),
        Scene(
            np.stack([0.2 + 0.03 * optical, 0.3 + 0.05 * optical]), grid, ("B02", "B08"), "reflectance", float("nan")
        ),
    )


def sample(seed=0, side=64, related=True, hole=None):
    """A pair whose moving scene is the optical view of the same ground, inverted: the reference is it, deformed."""
    rng = np.random.default_rng(seed)
    ground, other = texture(rng, side + 32), texture(rng, side + 32)
    flow = flow_of(side)
    still, moved = ground[16:-16, 16:-16], deformed(ground, flow)
    seen = still if related else other[16:-16, 16:-16]
    reference, reference_twin = scenes_of(moved, -moved, side)
    moving_twin, moving = scenes_of(seen, -seen, side)
    if hole:
        reference.array[:, hole, hole] = np.nan
    inputs = {"reference": reference, "moving": moving, "reference_twin": reference_twin, "moving_twin": moving_twin}
    truth = Scene(flow if related else np.full_like(flow, np.nan), reference.grid, ("u", "v"), "px", float("nan"))
    return Sample(f"s{seed} {RELATED[related]}", "a", inputs, {"flow": truth})


def crop(seed=0, **changed):
    made = sample(seed, **changed)
    statistics = {name: statistics_of(scene) for name, scene in made.inputs.items()}
    return Crop(made.id, made.unit, made.inputs, made.targets, changed.get("related", True), statistics)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_keeps_to_the_seam_and_answers_on_the_grid_of_the_reference(name):
    method, given = network(name), sample(side=70)
    assert isinstance(method, Network)
    outputs = predict(method, given.inputs)
    assert outputs["flow"].array.shape == (2, 70, 70)
    assert (outputs["flow"].bands, outputs["flow"].unit) == (("u", "v"), "px")
    confidence = outputs["confidence"].array
    assert np.isfinite(confidence).all()
    assert 0 <= confidence.min() <= confidence.max() <= 1
    assert outputs["confidence"].unit == "probability"


@pytest.mark.parametrize("name", NAMES)
def test_a_step_repeats_byte_for_byte_under_the_exact_arithmetic_of_training(name):
    found = []
    for _ in range(2):
        method = network(name)
        method.module.to(memory_format=torch.channels_last).train()
        torch.use_deterministic_algorithms(True)
        try:
            sum(method.losses(method.module, method.collate([crop()])).values()).backward()
        finally:
            torch.use_deterministic_algorithms(False)
        found.append([each.grad for each in method.module.parameters() if each.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_encode_compute_decode_equals_predict(name):
    method, given = network(name), sample()
    surveyed = method.survey(given.inputs)
    arguments, context = surveyed.encode(given.inputs)
    (said,) = Compute(surveyed, 1).start([arguments]).finish()
    for key, output in surveyed.decode(context, said).items():
        assert np.array_equal(output.array, method.predict(given.inputs)[key].array, equal_nan=True)


def test_a_tile_is_standardised_by_the_whole_scene():
    method, given = network(), sample()
    half = {name: scene.crop(_left(scene)) for name, scene in given.inputs.items()}
    whole, _ = method.survey(given.inputs).encode(given.inputs)
    tile, _ = method.survey(given.inputs).encode(half)
    alone, _ = method.encode(half)
    assert np.array_equal(tile[0], whole[0][:, :, :32])
    assert not np.array_equal(alone[0], tile[0])


def _left(scene):
    return Window(0, 0, scene.grid.shape[0], 32)


def test_no_pixel_of_the_reference_means_no_flow_there_and_finite_flow_elsewhere():
    outputs = network().predict(sample(hole=slice(10, 20)).inputs)
    hidden = np.zeros((64, 64), dtype=bool)
    hidden[10:20, 10:20] = True
    for output in (outputs["flow"], outputs["confidence"]):
        assert np.array_equal(output.valid, ~hidden)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("related", [True, False])
def test_losses_are_finite_and_named_with_and_without_a_truth(name, related):
    method = network(name)
    method.module.train()
    batch = method.collate([crop(0), crop(1, related=related, hole=slice(0, 30))])
    losses = method.losses(method.module, batch)
    twinned = ["moving/moving", "reference/reference"] if FAMILIES[name].twinned else []
    names = ["matching"] if name == "learnt-templates" else ["reference/moving", "confidence", *twinned]
    assert sorted(losses) == sorted(names)
    assert all(torch.isfinite(loss) and loss.ndim == 0 for loss in losses.values())
    sum(losses.values()).backward()
    gradients = [each.grad for each in method.module.parameters() if each.grad is not None]
    assert all(torch.isfinite(each).all() for each in gradients)


def test_a_batch_without_any_truth_asks_only_for_low_confidence():
    method = network()
    batch = method.collate([crop(seed, related=False) for seed in range(2)])
    losses = method.losses(method.module, batch)
    assert losses["reference/moving"].item() == 0
    logit = torch.zeros(2, 1, 4, 4, requires_grad=True)
    unknown, related = torch.full((2, 2, 4, 4), float("nan")), torch.tensor([False, False])
    confidence_loss(logit, torch.zeros(2, 2, 4, 4), unknown, related).backward()
    assert (logit.grad > 0).all()  # downhill is down


def test_the_loss_is_the_masked_end_point_error_in_pixels_at_every_scale():
    truth = torch.zeros(1, 2, 6, 6)
    truth[:, 0], truth[:, 1] = 3.0, 4.0
    truth[..., 5] = float("nan")
    for stride, side in ((1, 6), (2, 3), (4, 2)):
        step = Step(torch.zeros(1, 2, side, side), stride, 0.3)
        assert flow_loss([step], truth).item() == pytest.approx(5.0, abs=1e-4)
    right, wrong = (
        Step(torch.tensor(uv).reshape(1, 2, 1, 1).expand(1, 2, 6, 6), 1, 1.0) for uv in ((3.0, 4.0), (0.0, 0.0))
    )
    assert flow_loss([right], truth).item() == pytest.approx(0.0, abs=2e-3)
    assert flow_loss([right, wrong._replace(weight=3.0)], truth).item() == pytest.approx(3.75, abs=2e-3)


def test_confidence_is_asked_for_where_the_error_is_below_a_pixel():
    flow, truth = torch.zeros(1, 2, 1, 3), torch.zeros(1, 2, 1, 3)
    truth[0, 0] = torch.tensor([0.9, 1.1, float("nan")])
    logit = torch.zeros(1, 1, 1, 3, requires_grad=True)
    confidence_loss(logit, flow, truth, torch.tensor([True])).backward()
    assert logit.grad.sign().flatten().tolist() == [-1, 1, 0]


def test_the_confidence_loss_leaves_the_flow_alone():
    method = network()
    losses = method.losses(method.module, method.collate([crop()]))
    losses["confidence"].backward()
    moved = [name for name, each in method.module.named_parameters() if each.grad is not None and each.grad.any()]
    assert moved
    assert all(name.startswith("confidence.") for name in moved)


def test_crops_look_different_each_time_and_alike_under_one_name():
    method = network()
    first, again, other = (method.collate([crop(seed)])["images"] for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    plain = network(randomise=0.0)
    seen, _ = plain.encode(crop().inputs)
    assert np.array_equal(plain.collate([crop()])["images"][0][0], seen[0])
    assert not np.array_equal(first[0][0], seen[0])


def test_random_radiometry_keeps_geometry_range_and_what_is_unknown():
    ground = texture(np.random.default_rng(0), 96)
    ground[:8] = np.nan
    inverted, flat = 0, randomised(ground, np.random.default_rng(0), radar=False, strength=0.0)
    assert np.array_equal(flat, np.nan_to_num(ground))
    for seed in range(40):
        for radar in (False, True):
            changed = randomised(ground, np.random.default_rng(seed), radar=radar, strength=1.0)
            assert changed.dtype == np.float32
            assert np.abs(changed).max() <= 4
            assert not changed[:8].any()
            likeness = np.corrcoef(changed[8:].ravel(), ground[8:].ravel())[0, 1]
            inverted += likeness < -0.2 and not radar
            assert likeness > 0 or not radar
    assert 8 < inverted < 32


@pytest.mark.parametrize("name", NAMES)
def test_learnt_numbers_answer_byte_for_byte_after_a_way_through_json(name):
    trained, given = network(name), sample(3)
    text = json.dumps(trained.preprocessing, allow_nan=False)
    again = network_of(trained.options).restored(module_state(trained.module), json.loads(text))
    for key, output in predict(trained, given.inputs).items():
        assert np.array_equal(predict(again, given.inputs)[key].array, output.array, equal_nan=True)
    for key, array in module_state(again.module).items():
        assert array.tobytes() == module_state(trained.module)[key].tobytes()


def test_restoring_refuses_other_tensors_and_other_bands():
    method = network()
    state, preprocessing = module_state(method.module), method.preprocessing
    with pytest.raises(VersionCorrupt):
        method.restored({**state, "extra": next(iter(state.values()))}, preprocessing)
    with pytest.raises(VersionCorrupt, match="B08"):
        method.restored(state, {**preprocessing, "moving": {"bands": ["B04"], "unit": "reflectance"}})


def test_pairs_of_one_sensor_go_through_the_encoder_of_that_sensor():
    method = network()
    optical = {"reference": sample().inputs["reference_twin"], "moving": sample().inputs["moving"]}
    plain = method.between("moving").predict(optical)["flow"].array
    for each in method.module.encoders.encoders[0].parameters():
        each.data.mul_(2)
    assert np.array_equal(method.between("moving").predict(optical)["flow"].array, plain)
    with pytest.raises(ValueError, match="pwc-net-multimodal"):
        network("pwc-net").between("moving")


def test_a_small_multimodal_network_learns_one_pair():
    """From zero flow, 2.7 px wrong, to less than half a pixel, by learning nothing but this."""
    method = network("pwc-net-multimodal", randomise=0.0)
    batch = method.collate([crop(0)])
    optimizer = torch.optim.Adam(method.module.parameters(), lr=2e-3)
    method.module.train()
    for step in range(60):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / 60)
        losses = method.losses(method.module, batch)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(method.module.parameters(), 5.0)
        optimizer.step()
    outputs = predict(method, sample(0).inputs)
    errors = np.linalg.norm(outputs["flow"].array - flow_of(64), axis=0)
    assert np.linalg.norm(flow_of(64), axis=0).mean() > 2
    assert errors.mean() < 0.5
    assert outputs["confidence"].array.mean() > 0.7


BEGUN = {"view": "structure", "matched": True}
BEGUN_PYRAMID = {**BEGUN, "coarsest_level": 3}


def strip(name, tile, changed):
    """A network, and a scene of five tiles side by side: no tile sees all of it."""
    whole = sample(9, side=5 * tile).inputs
    return network(name, **changed), {role: scene.crop(Window(0, 0, tile, 5 * tile)) for role, scene in whole.items()}


def largest_step(difference, tile):
    """Largest change from column to column about the seams between tiles."""
    steps = np.abs(np.diff(difference, axis=2))
    return max(float(steps[..., seam - 70 : seam + 70].max()) for seam in range(tile, 5 * tile, tile))


@pytest.mark.parametrize(
    ("name", "changed", "tile", "limit_px"),
    [
        ("flownet-s", {}, 256, 0.05),
        ("flownet-s", BEGUN, 256, 0.05),
        ("pwc-net", {}, 256, 0.05),
        ("pwc-net", BEGUN_PYRAMID, 256, 0.05),
        ("pwc-net-multimodal", {}, 256, 0.05),
        ("pwc-net-multimodal", BEGUN_PYRAMID, 256, 0.05),
        ("recurrent-flow", {}, 208, 1e-3),  # its halo holds all that counts
        ("learnt-templates", {}, 256, 0.05),
    ],
)
def test_tiles_of_a_network_join_without_a_step(name, changed, tile, limit_px):
    method, given = strip(name, tile, changed)
    bare = copy(method)
    bare.halo_px = bare.blend_px = 0
    whole = predict(method, given, tile_px=5 * tile)["flow"].array
    tiled, torn = (predict(each, given, tile_px=tile)["flow"].array for each in (method, bare))
    assert largest_step(tiled - whole, tile) < limit_px
    assert largest_step(torn - whole, tile) > 10 * limit_px


@pytest.mark.parametrize(("name", "changed"), [("flownet-s", BEGUN), ("pwc-net-multimodal", BEGUN_PYRAMID)])
def test_a_network_that_begins_at_matched_windows_learns_and_answers_like_the_others(name, changed):
    method = network(name, **changed)
    method.module.train()
    losses = method.losses(method.module, method.collate([crop(0), crop(1, related=False, hole=slice(0, 30))]))
    sum(losses.values()).backward()
    assert all(torch.isfinite(each.grad).all() for each in method.module.parameters() if each.grad is not None)
    outputs = predict(network(name, **changed), sample(side=70, hole=slice(10, 20)).inputs)
    assert np.isfinite(outputs["flow"].array[:, 30:]).all()
    assert not outputs["flow"].valid[10:20, 10:20].any()


def test_tiles_follow_from_the_options_of_a_run():
    near, far = (network("learnt-templates", templates={"reach": reach, "cell": 2}) for reach in (6, 48))
    assert far.halo_px > near.halo_px
    assert network("learnt-templates").alignment_px == 8
    assert network("pwc-net").alignment_px == 64
    assert network("pwc-net", coarsest_level=4).alignment_px == 16
    assert network("pwc-net", coarsest_level=4).halo_px < network("pwc-net").halo_px


def test_cells_of_learnt_templates_are_those_of_their_network():
    assert LEARNT_CELL_PX == STRIDE_PX
