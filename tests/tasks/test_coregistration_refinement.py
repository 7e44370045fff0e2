"""A flow looked at again by template matching: fractions of a pixel for every learnt method, and nothing lost."""

import numpy as np
import pytest
import torch
from affine import Affine
from pydantic import ValidationError
from scipy import ndimage

from components.inference.tiled import predict, predict_whole
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.families import FAMILIES
from components.tasks.coregistration.networks import FlowNetwork
from components.tasks.coregistration.options import MethodOptions

OPTICAL = {"sensor": "sentinel-2", "bands": ["B08"], "unit": "reflectance"}
LEARNT = ["flownet-s", "pwc-net", "pwc-net-multimodal", "recurrent-flow", "learnt-templates"]
INNER = np.s_[:, 32:-32, 32:-32]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def options(name, **changed):
    own = {"view": "both", "templates": {"cell": 2}} if name == "learnt-templates" else {}
    return MethodOptions.model_validate({"name": name, "reference": OPTICAL, "moving": OPTICAL, **own, **changed})


def texture(side=224, spread=2.0, seed=5):
    ground = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), spread)
    return ((ground - ground.mean()) / ground.std()).astype(np.float32)


def scenes(still, moved):
    grid = Grid(None, Affine.identity(), still.shape)
    made = (Scene(0.3 + 0.05 * each[None], grid, ("B08",), "reflectance", float("nan")) for each in (still, moved))
    return dict(zip(("reference", "moving"), made, strict=True))


def shifted(ground, u, v):
    return ndimage.shift(ground, (v, u), order=5, mode="mirror").astype(np.float32)


def network(name):
    torch.manual_seed(0)
    return network_of(options(name, refine=True))


def saying(u, v=0.0, confidence=0.0):
    """A network that says one flow everywhere, refined."""

    class Says(FlowNetwork):
        def compute(self, arguments):
            said = torch.tensor([u, v, confidence])[None, :, None, None]
            return said.expand(len(arguments[0]), 3, *arguments[0].shape[2:])

    return Says(options("recurrent-flow", refine=True, width=0.25), FAMILIES["recurrent-flow"])


def errors(found, u, v):
    return np.hypot(found["flow"].array[0] - u, found["flow"].array[1] - v)[32:-32, 32:-32]


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize(("u", "v"), [(0.0, 0.0), (0.4, -0.3), (-1.7, 1.1)])
def test_every_learnt_method_finds_fractions_of_a_pixel_between_scenes_of_one_sensor(name, u, v):
    found = predict(network(name), scenes(texture(), shifted(texture(), u, v)))["flow"].array[INNER]
    assert np.hypot(found[0] - u, found[1] - v).mean() < (0.05 if u else 0.02)


@pytest.mark.parametrize(("said", "within_px"), [(0.0, None), (6.5, 0.05)])
def test_it_looks_only_near_what_the_network_found(said, within_px):
    far = shifted(texture(spread=3), 9.0, 0.0)
    error = errors(predict(saying(said), scenes(texture(spread=3), far)), 9, 0).mean()
    assert error < within_px if within_px else error > 3


def test_unrelated_scenes_are_not_trusted():
    found = predict(saying(0.0), scenes(texture(), texture(seed=6)))
    assert np.nanmean(found["confidence"].array) < 0.2


def test_where_nothing_agrees_flow_and_confidence_of_the_network_stay():
    blank = texture()
    blank[:, 112:] = 0
    found = predict_whole(saying(7.25, 7.25, 0.75), scenes(blank, blank))
    assert np.allclose(found["flow"].array[:, :, -10:], 7.25)
    assert np.allclose(found["confidence"].array[:, :, -10:], 0.75)


def test_pixels_without_data_stay_without():
    pair = scenes(texture(), shifted(texture(), 0.5, 0.5))
    pair["reference"].array[:, :40, :40] = np.nan
    found = predict(saying(0.0), pair)
    assert np.isnan(found["flow"].array[:, :40, :40]).all()
    assert np.isfinite(found["flow"].array[:, 80:, 80:]).all()


def test_tiles_join_without_a_step():
    ground = texture(side=768)
    pair = scenes(ground, shifted(ground, 1.3, -0.6))
    method = saying(0.0)
    whole, tiled = predict_whole(method.survey(pair), pair), predict(method.survey(pair), pair, tile_px=256)
    inner = np.s_[:, 48:-48, 48:-48]
    assert np.abs(whole["flow"].array - tiled["flow"].array)[inner].max() < 0.05


def test_tiles_are_cut_for_what_matching_sees_too():
    own, again = (network_of(options("recurrent-flow", refine=refine)) for refine in (False, True))
    assert (own.alignment_px, again.alignment_px) == (4, 16)
    assert again.halo_px == own.halo_px + 128
    assert again.refining(refine=False).halo_px == own.halo_px


def test_it_can_be_asked_of_a_network_and_of_nothing_else():
    torch.manual_seed(0)
    own = network_of(options("flownet-s"))
    pair = scenes(texture(), shifted(texture(), 0.4, -0.3))
    plain, again = predict(own, pair), predict(own.refining(refine=True), pair)
    assert errors(again, 0.4, -0.3).mean() < 0.05 < errors(plain, 0.4, -0.3).mean()
    with pytest.raises(ValidationError, match="gefolki is none; leave it out"):
        options("gefolki", refine=True)
