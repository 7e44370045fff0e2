"""`POST /coregistration`: two sensors in, flow and registered scene out; bad pairs refused."""

import io
import uuid
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from components.deployment.registry import Registry
from components.raster.cog import write_scene
from components.simulation.radar_optical import radar_optical
from components.storage.store import Store
from serving.slots import Slots
from tests.conftest import QUICK
from tests.deployment.toy import CODE
from tests.serving.radar import register

U, V = 3, -2
SIDES = {
    "reference": {"sensor": "sentinel-1", "bands": ["VV", "VH"], "unit": "intensity"},
    "moving": {"sensor": "sentinel-2", "bands": ["B02", "B03", "B04", "B08"], "unit": "reflectance"},
    "needs_crs": True,
}
SETTINGS = {"radius": 16, "reach": 6, "step": 16, "outlier": 2, "cell": 2}
METHODS = {
    "templates": {"name": "templates", **SIDES, "templates": SETTINGS},
    "learnt": {"name": "learnt-templates", **SIDES, "view": "both", "width": 0.25, "templates": SETTINGS},
}


@pytest.fixture(scope="module")
def runs():
    return {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in METHODS}


@pytest.fixture(scope="module")
def slots(moto_store, runs, tmp_path_factory):
    registry, folder = Registry(Store(moto_store, QUICK)), tmp_path_factory.mktemp("versions")
    torch.manual_seed(0)
    for name, run in runs.items():
        registry.promote(run, register(registry, folder, "coregistration", run, METHODS[name]))
    slots = Slots(registry, tmp_path_factory.mktemp("cache"), lambda task: CODE, only=list(runs.values()))
    slots.look()
    return slots


@pytest.fixture
def client(client_of, slots):
    return client_of(slots)


@pytest.fixture(scope="module")
def pair():
    """A radar scene, and the optical scene of its ground displaced by a whole number of pixels."""
    made = radar_optical(7, (192, 192))
    moving = made.moving.select(tuple(SIDES["moving"]["bands"]))
    return made.reference, moving.with_array(np.roll(moving.array, (V, U), (1, 2)))


@pytest.fixture
def sent(client, tmp_path):
    def send(reference, moving, **fields):
        files = {}
        for name, scene in (("reference", reference), ("moving", moving)):
            path = tmp_path / f"{name}.tif"
            write_scene(scene, path)
            files[name] = (path.name, path.read_bytes())
        return client.post("/coregistration", files=files, data=fields)

    return send


def bands(answer):
    assert answer.status_code == 200, answer.text
    with rasterio.open(io.BytesIO(answer.content)) as source:
        return source.read(), source.descriptions


@pytest.fixture(scope="module")
def still(pair):
    """The optical scene where it belongs."""
    return pair[1].with_array(np.roll(pair[1].array, (-V, -U), (1, 2)))


def middle(flow):
    return np.median(flow[:, 40:-40, 40:-40], axis=(1, 2))


@pytest.mark.parametrize("name", METHODS)
def test_the_flow_between_two_sensors_is_answered_in_pixels(sent, pair, still, runs, name):
    flow, names = bands(sent(*pair, run=runs[name], output="flow"))
    lean, _ = bands(sent(pair[0], still, run=runs[name], output="flow"))  # radar leans towards itself, see the card
    assert names == ("u", "v")
    assert middle(flow) - middle(lean) == pytest.approx([U, V], abs=0.5)


def test_the_registered_scene_has_the_bands_of_the_moving_one_on_the_grid_of_the_reference(sent, pair, still, runs):
    reference, moving = pair
    registered, names = bands(sent(*pair, run=runs["templates"]))
    assert names == moving.bands
    assert registered.shape[1:] == reference.grid.shape
    inner = np.s_[:, 40:-40, 40:-40]
    before, after = (np.abs(each[inner] - still.array[inner]).mean() for each in (moving.array, registered))
    assert after < 0.7 * before


def test_a_moving_scene_with_larger_pixels_comes_onto_the_grid_of_the_reference(sent, pair, runs):
    reference, moving = pair
    grid = replace(moving.grid, transform=moving.grid.transform @ moving.grid.transform.scale(2), shape=(96, 96))
    coarse = moving.with_array(moving.array.reshape(4, 96, 2, 96, 2).mean((2, 4)).astype(np.float32), grid=grid)
    flow, _ = bands(sent(reference, coarse, run=runs["templates"], output="flow"))
    assert flow.shape[1:] == reference.grid.shape
    fine, _ = bands(sent(reference, moving, run=runs["templates"], output="flow"))
    assert middle(flow) == pytest.approx(middle(fine), abs=0.6)


def test_decibels_sent_as_intensity_are_refused_with_the_conversion(sent, pair, runs):
    reference, moving = pair
    decibels = reference.with_array((10 * np.log10(np.maximum(reference.array, 1e-6))).astype(np.float32))
    answer = sent(decibels, moving, run=runs["learnt"])
    assert answer.status_code == 422
    assert "10 ** (db / 10)" in answer.json()["message"]


def test_swapped_sensors_are_refused_by_what_is_missing(sent, pair, runs):
    answer = sent(pair[1], pair[0], run=runs["templates"])
    assert answer.status_code == 422
    assert "VV" in answer.json()["message"]
