"""A flow looked at again by template matching: fractions of a pixel for every learnt method, and nothing lost."""

import numpy as np
import pytest
import torch
from affine import Affine
from scipy import ndimage

from components.inference.tiled import predict, predict_whole
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.coregistration.candidates import network_of
from components.tasks.coregistration.classical import ZeroFlow
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.refinement import Refined

OPTICAL = {"sensor": "sentinel-2", "bands": ["B08"], "unit": "reflectance"}
LEARNT = ["flownet-s", "pwc-net", "pwc-net-multimodal", "recurrent-flow", "learnt-templates"]
INNER = np.s_[:, 32:-32, 32:-32]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def options(name="gefolki"):
    own = {"view": "both", "templates": {"cell": 2}} if name == "learnt-templates" else {}
    return MethodOptions.model_validate({"name": name, "reference": OPTICAL, "moving": OPTICAL, **own})


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
    return Refined(network_of(options(name)), options(name))


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize(("u", "v"), [(0.0, 0.0), (0.4, -0.3), (-1.7, 1.1)])
def test_every_learnt_method_finds_fractions_of_a_pixel_between_scenes_of_one_sensor(name, u, v):
    found = predict(network(name), scenes(texture(), shifted(texture(), u, v)))["flow"].array[INNER]
    assert np.hypot(found[0] - u, found[1] - v).mean() < (0.05 if u else 0.02)


def test_it_looks_only_near_what_the_method_found():
    far = shifted(texture(spread=3), 9.0, 0.0)
    found = predict(Refined(ZeroFlow(options()), options()), scenes(texture(spread=3), far))
    assert np.hypot(found["flow"].array[0] - 9, found["flow"].array[1])[32:-32, 32:-32].mean() > 3


def test_unrelated_scenes_are_not_trusted():
    found = predict(Refined(ZeroFlow(options()), options()), scenes(texture(), texture(seed=6)))
    assert np.nanmean(found["confidence"].array) < 0.2


def test_where_nothing_agrees_flow_and_confidence_of_the_method_stay():
    class Sure(ZeroFlow):
        def predict(self, scenes):
            found = super().predict(scenes)
            flow, sure = found["flow"], found["confidence"]
            return {
                **found,
                "flow": flow.with_array(np.full_like(flow.array, 7.25)),
                "confidence": sure.with_array(np.full_like(sure.array, 0.75)),
            }

    blank = texture()
    blank[:, 112:] = 0
    found = predict_whole(Refined(Sure(options()), options()), scenes(blank, blank))
    assert np.allclose(found["flow"].array[:, :, -10:], 7.25)
    assert np.allclose(found["confidence"].array[:, :, -10:], 0.75)


def test_pixels_without_data_stay_without():
    pair = scenes(texture(), shifted(texture(), 0.5, 0.5))
    pair["reference"].array[:, :40, :40] = np.nan
    found = predict(Refined(ZeroFlow(options()), options()), pair)
    assert np.isnan(found["flow"].array[:, :40, :40]).all()
    assert np.isfinite(found["flow"].array[:, 80:, 80:]).all()


def test_tiles_join_without_a_step():
    ground = texture(side=768)
    pair = scenes(ground, shifted(ground, 1.3, -0.6))
    method = Refined(ZeroFlow(options()), options())
    whole, tiled = predict_whole(method.survey(pair), pair), predict(method.survey(pair), pair, tile_px=256)
    inner = np.s_[:, 48:-48, 48:-48]
    assert np.abs(whole["flow"].array - tiled["flow"].array)[inner].max() < 0.05
