"""Bad input to co-registration: each is refused in one sentence, or converted as CARD.md says, at every door."""

import numpy as np
import pytest
import torch
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import Resampling
from scipy.ndimage import gaussian_filter

from components.errors import BadScene, BandMismatch, GridMismatch, UnitMismatch
from components.inference.files import predict_file
from components.inference.tiled import predict
from components.raster.align import align
from components.raster.cog import write_scene
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Scene
from components.tasks.coregistration import TASK
from components.tasks.params import RunParams
from serving.errors import WrongInput
from serving.jobs.inputs import require_fit

HERE = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 5_000_000), (128, 128))
FAR = Grid(HERE.crs, Affine(10, 0, 900_000, 0, -10, 5_000_000), (128, 128))
NOWHERE = Grid(None, Affine.identity(), (130, 130))
BANDS = {"reference": ("VV", "VH"), "moving": ("B03", "B04")}
NAMES = ["templates", "gefolki", "phase-correlation", "recurrent-flow", "pwc-net-multimodal", "learnt-templates"]


def run_of(name):
    sides = {
        "reference": {"sensor": "sentinel-1", "bands": list(BANDS["reference"]), "unit": "intensity"},
        "moving": {"sensor": "sentinel-2", "bands": list(BANDS["moving"]), "unit": "reflectance"},
    }
    split = {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]}
    needed = {"view": "both", "templates": {"cell": 2}} if name == "learnt-templates" else {}
    method = {"name": name, **sides, "width": 0.25, "pixel_size_m": [9, 11], **needed}
    return RunParams.model_validate(
        {"task": "coregistration", "dataset": "-", "description": "-", "split": split, "method": method}
    )


def method_of(name):
    torch.manual_seed(0)
    return TASK.methods(run_of(name)).candidate


def ground(grid=HERE):
    rng = np.random.default_rng(0)
    rough = sum(gaussian_filter(rng.standard_normal(grid.shape), s) * s for s in (1.5, 5)).astype(np.float32)
    return rough / rough.std()


def pair():
    radar = np.stack([0.1 * np.exp(0.5 * ground()), 0.02 * np.exp(0.5 * ground())]).astype(np.float32)
    optical = np.stack([0.2 + 0.03 * ground(), 0.3 + 0.04 * ground()]).astype(np.float32)
    return {
        "reference": Scene(radar, HERE, BANDS["reference"], "intensity", np.nan),
        "moving": Scene(optical, HERE, BANDS["moving"], "reflectance", np.nan),
    }


def in_decibels(unit):
    radar = pair()["reference"]
    return {**pair(), "reference": radar.with_array(10 * np.log10(radar.array), unit=unit)}


def swapped():
    return {"reference": pair()["moving"], "moving": pair()["reference"]}


def elsewhere(grid):
    moving = Scene(np.full((2, *grid.shape), 0.3, np.float32), grid, BANDS["moving"], "reflectance", np.nan)
    return {**pair(), "moving": moving}


def written(scenes, folder):
    paths = {name: folder / f"{name}.tif" for name in scenes}
    for name, path in paths.items():
        write_scene(scenes[name], path)
    return paths


def predicted(method, paths, out):
    """As `swath predict` does it."""
    resampling = TASK.spec(run_of("templates")).resampling
    predict_file(method, paths, out, output="flow", bands=BANDS, resampling=resampling)
    return read_scene(out)


REFUSED = {
    "decibels called intensity": (lambda: in_decibels("intensity"), BadScene, "decibels"),
    "decibels": (lambda: in_decibels("db"), UnitMismatch, "intensity"),
    "swapped sensors": (swapped, BandMismatch, "VV"),
    "no overlap": (lambda: elsewhere(FAR), GridMismatch, "do not overlap"),
    "one without a place": (lambda: elsewhere(NOWHERE), GridMismatch, "CRS"),
}


@pytest.mark.parametrize("name", ["templates", "recurrent-flow"])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_prediction_refuses_what_it_cannot_mean_and_leaves_no_file(case, name, tmp_path):
    scenes, error, words = REFUSED[case]
    paths = written(scenes(), tmp_path)
    with pytest.raises(error, match=words) as caught:
        predicted(method_of(name), paths, tmp_path / "flow.tif")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "flow.tif").exists()


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_job_is_refused_before_it_is_computed(case, tmp_path):
    scenes, error, words = REFUSED[case]
    if error in (BadScene, UnitMismatch):  # a job says it of its form field
        error, words = WrongInput, "expected (unit )?intensity"
    with pytest.raises(error, match=words):
        require_fit(written(scenes(), tmp_path), TASK.spec(run_of("templates")), None)


def test_decibels_are_not_let_in_by_naming_them_intensity(tmp_path):
    scenes = in_decibels("digital_number")
    with pytest.raises(WrongInput, match="intensity between 0"):
        require_fit(written(scenes, tmp_path), TASK.spec(run_of("templates")), "intensity")


@pytest.mark.parametrize("name", ["templates", "recurrent-flow"])
def test_a_moving_scene_in_another_crs_is_brought_onto_the_reference_first(name, tmp_path):
    scenes = pair()
    degrees = Grid(CRS.from_epsg(4326), Affine(1.2e-4, 0, 2.998, 0, -9e-5, 45.156), (150, 160))
    abroad = align(scenes["moving"], degrees, Resampling.cubic)
    method, paths = method_of(name), written({**scenes, "moving": abroad}, tmp_path)
    flow = predicted(method, paths, tmp_path / "flow.tif")
    assert flow.grid.same_as(HERE)
    explicitly = align(read_scene(paths["moving"]), HERE, Resampling.bilinear)
    expected = predict(method, {"reference": read_scene(paths["reference"]), "moving": explicitly})["flow"]
    np.testing.assert_allclose(flow.array, expected.array, atol=1e-3)
    if name == "templates":
        assert np.nanmedian(np.hypot(*flow.array)) < 0.2  # it lies where it lay


@pytest.mark.parametrize("blank", ["reference", "moving"])
@pytest.mark.parametrize("name", NAMES)
def test_a_blank_scene_is_answered_without_any_confidence(name, blank):
    scenes, method = pair(), method_of(name)
    assert predict(method, scenes)["confidence"].array.max() > 0.3
    level = np.broadcast_to(np.float32([[[0.2]], [[0.1]]]), (2, *HERE.shape)).copy()
    scenes[blank] = scenes[blank].with_array(level)
    said = predict(method, scenes)
    assert said["confidence"].array.max() == 0
    assert np.isfinite(said["flow"].array).all()
