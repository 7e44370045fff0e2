"""Training samples from real aligned scenes of two sensors, with synthetic relief; and how fast a crop is made."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from components.raster.io import read_scene
from components.raster.scene import Scene
from components.raster.warping import warp
from components.simulation.radar_optical import radar_optical
from components.tasks.chips import Chip, pack
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.samples import Crops, samples_of

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SWATH_REAL_DATA", PROJECT.parent / "shared/data"))
FLOODS = DATA / "landcover/sen1floods11_sample/sample"
BANDS = ("B02", "B03", "B04", "B08")


def options(**changed):
    sides = {
        "reference": {"sensor": "sentinel-1", "bands": ("VV", "VH"), "unit": "intensity"},
        "moving": {"sensor": "sentinel-2", "bands": BANDS, "unit": "reflectance"},
    }
    return MethodOptions.model_validate({"name": "pwc-net-multimodal", **sides, "unrelated": 0.0, **changed})


def chip(name, scenes):
    return Chip(name, name, name, scenes["reference"].grid.window, scenes)


def require_truth(crop):
    """Fetched by its flow, the moving scene is the undisplaced one but for interpolation."""
    truth, twin = crop.targets["flow"].array, crop.inputs["reference_twin"].array
    back = warp(crop.inputs["moving"], truth, resampling="cubic").array
    inside = np.s_[:, 14:-14, 14:-14]
    error = np.nanmean(np.abs(back[inside] - twin[inside]))
    assert error < 0.35 * np.nanmean(np.abs(crop.inputs["moving"].array[inside] - twin[inside]))


@pytest.fixture(scope="module")
def floods():
    if not FLOODS.is_dir():
        pytest.skip(f"the real chip is not at {FLOODS}; set SWATH_REAL_DATA")
    radar, optical = (read_scene(next((FLOODS / role).glob("*.tif"))) for role in ("S1", "S2"))
    intensity = np.power(10, radar.array / 10).astype(np.float32)
    reflectance = optical.select(BANDS).array.astype(np.float32) * np.float32(1e-4)
    return {
        "reference": Scene(intensity, radar.grid, ("VV", "VH"), "intensity", np.nan),
        "moving": Scene(reflectance, radar.grid, BANDS, "reflectance", np.nan),
    }


@pytest.mark.real
def test_a_real_chip_without_height_gives_displaced_crops_with_truth(floods, tmp_path):
    crops = Crops(pack(iter([chip("spain", floods)]), tmp_path), ("spain",), options(), 0)
    for index in range(4):
        require_truth(crops[index])
    lengths = [np.linalg.norm(crops[index].targets["flow"].array, axis=0).mean() for index in range(12)]
    assert 1 < np.mean(lengths) < 8


@pytest.mark.real
def test_simulated_backscatter_resembles_that_of_the_real_chip(floods):
    made = [radar_optical(seed, (192, 192)).reference.array for seed in range(101, 109)]
    for band, tolerance in ((0, 3.5), (1, 3.5)):
        real = 10 * np.log10(floods["reference"].array[band])
        simulated = 10 * np.log10(np.concatenate([each[band].ravel() for each in made]))
        assert np.median(simulated) == pytest.approx(np.median(real), abs=tolerance)
    ratios = [np.median(np.log10(vv) - np.log10(vh)) for vv, vh in (*made, floods["reference"].array)]
    assert 10 * np.mean(ratios[:-1]) == pytest.approx(10 * ratios[-1], abs=2.0)


def test_crops_of_the_sandbox_keep_their_truth_and_cost_little(tmp_path):
    scenes = []
    for seed in (101, 102):
        pair = radar_optical(seed, (224, 224))
        scenes.append({"reference": pair.reference, "moving": pair.moving.select(BANDS), "height": pair.height})
    prepared = pack((chip(f"terra-r-{index}", each) for index, each in enumerate(scenes)), tmp_path)
    crops = samples_of(prepared, "train", options(), 0)
    for index in range(6):
        require_truth(crops[index])
    began = time.process_time()
    for index in range(20):
        crops[index]
    assert (time.process_time() - began) / 20 < 0.25
