"""Template matching on learnt features: what it must find before and after training, and what its settings change."""

import numpy as np
import pytest
import torch
from affine import Affine
from pydantic import ValidationError
from scipy import ndimage

from components.inference.tiled import predict, predict_whole
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.coregistration import templates
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.structure import brought_along, coarsened, structure_of
from components.tasks.coregistration.template_settings import TemplateSettings

SETTINGS = {"radius": 16, "reach": 12, "step": 16, "outlier": 2, "cell": 2}
OPTIONS = {
    "name": "learnt-templates",
    "reference": {"sensor": "sentinel-1", "bands": ["VV"], "unit": "intensity"},
    "moving": {"sensor": "sentinel-2", "bands": ["B08"], "unit": "reflectance"},
    "view": "both",
    "templates": SETTINGS,
}
SHIFTS = [(0.5, -0.25), (1.3, 2.7), (-3.1, 0.9)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(**changed):
    torch.manual_seed(0)
    return network_of(MethodOptions.model_validate({**OPTIONS, **changed}))


def texture(side=224, spread=2.0, seed=0):
    ground = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), spread)
    return ((ground - ground.mean()) / ground.std()).astype(np.float32)


def scenes(still, moved):
    """Two optical scenes of one place."""
    grid = Grid(None, Affine.identity(), still.shape)
    made = (Scene(0.3 + 0.05 * each[None], grid, ("B08",), "reflectance", float("nan")) for each in (still, moved))
    return dict(zip(("reference", "moving"), made, strict=True))


def shifted(ground, u, v):
    return ndimage.shift(ground, (v, u), order=5, mode="mirror").astype(np.float32)


def flow_between(still, moved, **changed):
    found = predict(network(**changed).between("moving"), scenes(still, moved))["flow"].array
    return found[:, 32:-32, 32:-32]


@pytest.mark.parametrize("spread", [1.5, 4])
def test_a_scene_is_where_it_is(spread):
    found = flow_between(texture(spread=spread), texture(spread=spread))
    assert np.hypot(*found).mean() < 0.02


@pytest.mark.parametrize(("u", "v"), SHIFTS)
def test_a_shift_by_a_fraction_of_a_pixel_is_found_between_two_scenes_of_one_sensor(u, v):
    found = flow_between(texture(), shifted(texture(), u, v))
    assert np.hypot(found[0] - u, found[1] - v).mean() < 0.05


def test_it_begins_as_template_matching_on_cells():
    still, moved = texture(spread=1.5), shifted(texture(spread=1.5), 4.6, -2.2)
    classical, _ = templates.estimate(still, moved, TemplateSettings(**SETTINGS))
    learnt = predict(network(), two_sensors(still, moved))["flow"].array
    assert np.hypot(*(classical - learnt))[32:-32, 32:-32].mean() < 0.15


def two_sensors(still, moved):
    grid = Grid(None, Affine.identity(), still.shape)
    radar = Scene(np.exp(still / 2)[None], grid, ("VV",), "intensity", float("nan"))
    return {"reference": radar, "moving": scenes(still, moved)["moving"]}


def test_tiles_join_without_steps_on_a_smooth_field():
    ground = texture(480, 1.5)
    row, col = np.mgrid[:480, :480].astype(np.float32)
    flow = np.stack([2 + 2 * np.sin(row / 90), -1 + 1.5 * np.cos(col / 110)])
    moved = ndimage.map_coordinates(ground, [row - flow[1], col - flow[0]], order=3, mode="mirror").astype(np.float32)
    method, inputs = network(), two_sensors(ground, moved)
    whole = predict_whole(method.survey(inputs), inputs)["flow"].array
    tiled = predict(method, inputs, tile_px=256)["flow"].array
    assert np.abs(tiled - whole).max() < 0.05


def test_training_lowers_the_loss_of_matching():
    method = network(width=0.25, templates={**SETTINGS, "radius": 8, "reach": 6, "step": 8})
    still, other = texture(96, 1.5), texture(96, 1.5, seed=1)
    moved = shifted(still, 4, 0)
    images = [
        torch.from_numpy(np.concatenate([each[None], structure_of(each).channels])[None])
        for each in (still, moved + other)
    ]
    truth = torch.zeros(1, 2, 96, 96)
    truth[:, 0] = 4
    optimizer = torch.optim.Adam(method.module.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        (loss,) = method.losses(method.module, {"images": images, "flow": truth}).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("changed", [{"view": "structure"}, {"templates": {}}])
def test_options_that_do_not_fit_are_refused_with_those_that_do(changed):
    with pytest.raises(ValidationError, match="needs view: both, and templates"):
        network(**changed)


def test_a_hole_is_no_structure():
    still = texture()
    inputs = two_sensors(still, shifted(still, 3, 1))
    inputs["moving"].array[:, 80:140, 80:140] = np.nan
    outputs = predict(network(), inputs)
    found, sure = outputs["flow"].array, outputs["confidence"].array[0]
    assert np.hypot(found[0] - 3, found[1] - 1)[32:-32, 32:-32].mean() < 0.3
    assert (sure[90:130, 90:130] == 0).all()


def test_wider_windows_find_what_smaller_ones_cannot_see():
    rng = np.random.default_rng(1)
    still = texture()
    noisy = still + 4 * still.std() * rng.standard_normal(still.shape).astype(np.float32)
    errors, trust = [], []
    for wider in ((), (32, 48)):
        settings = TemplateSettings(radius=16, step=16, outlier=2, cell=2, wider=wider)
        found, sure = templates.estimate(noisy, shifted(still, 2, -1), settings)
        errors.append(np.hypot(found[0] - 2, found[1] + 1)[32:-32, 32:-32].mean())
        trust.append(sure.mean())
        _, sure = templates.estimate(texture(seed=7), still, settings)
        assert sure.mean() < 0.2, "unrelated ground is not trusted, however wide the window"
    assert errors[1] < 0.8 * errors[0]
    assert trust[1] > 2 * trust[0]


@pytest.mark.parametrize("wider", [(16,), (48, 32), (8,)])
def test_wider_windows_that_are_not_wider_are_refused(wider):
    with pytest.raises(ValueError, match="must grow from the radius"):
        TemplateSettings(radius=16, wider=wider)


def test_lengths_that_are_no_multiple_of_the_cell_are_refused():
    with pytest.raises(ValueError, match="must be multiples of cell"):
        TemplateSettings(radius=15, cell=2)


def test_cells_of_an_odd_image_are_whole_and_known_where_most_of_them_is():
    image = texture(65)
    image[:, 40:] = np.nan
    made = coarsened(structure_of(image), 2)
    assert made.known.shape == (33, 33)
    assert made.known[:, :18].all()
    assert not made.known[:, 20:].any()


def test_what_is_brought_along_from_outside_is_unknown():
    structure = structure_of(texture(64))
    flow = np.zeros((2, 64, 64), np.float32)
    flow[0] = 10
    brought = brought_along(structure, flow)
    assert not brought.known[:, -10:].any()
    assert brought.channels[:, 20, 20] == pytest.approx(structure.channels[:, 20, 30], abs=1e-6)


def test_two_unrelated_scenes_are_not_trusted():
    related, unrelated = (
        predict(network(), two_sensors(texture(spread=1.5), shifted(texture(spread=1.5, seed=seed), 2, 1)))
        for seed in (0, 5)
    )
    assert unrelated["confidence"].array.mean() < 0.2 < 0.8 < related["confidence"].array[:, 32:-32, 32:-32].mean()
