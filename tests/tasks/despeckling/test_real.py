"""Real radar images: looks, ratio and radiometry are what speckle theory says."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.inference.tiled import predict
from components.ingestion.ingest import ingest
from components.metrics.speckle import Suppression, mean_of_intensity
from components.raster.dataset import read_sources
from components.raster.grid import Grid
from components.raster.radiometry import equivalent_looks, require_looks
from components.raster.scene import Scene
from components.tasks import load_run
from components.tasks.despeckling.classical import FILTERS, classical
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.scenes import FILTERED, NOISY
from components.training.prepare import prepare_run

PROJECT = Path(__file__).parents[3]
REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
SINGLE_LOOK = REAL / "sar_speckle" / "deepdespeckling" / "test_image_data.npy"
OPERA = REAL / "change_sar" / "opera_rtc_s1_10SGD"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not SINGLE_LOOK.is_file() or not OPERA.is_dir(), reason=f"no SAR samples at {REAL}"),
]


def single_look():
    parts = np.squeeze(np.load(SINGLE_LOOK)).astype(np.float32)
    return (parts**2).sum(-1)


def scene(array):
    return Scene(array[None], Grid(None, rasterio.Affine.identity(), array.shape), ("VV",), "intensity", float("nan"))


def test_a_single_look_image_has_about_one_look():
    assert require_looks(scene(single_look()), 1, tolerance=0.35)["VV"] == pytest.approx(1, rel=0.35)


def test_multilooked_land_has_two_to_six_looks_on_every_date():
    files = sorted(OPERA.rglob("*-IW2_*_VV.tif"))
    land = [path for path in files if "292320-IW2" in path.name or "292323-IW2" in path.name]
    assert len(land) == 42
    for path in land[::5]:
        with rasterio.open(path) as opened:
            looks = equivalent_looks(scene(opened.read(1)))["VV"]
        assert 2 < looks < 6, path.name


@pytest.mark.parametrize("name", ["lee", "refined-lee", "bm3d"])
def test_filters_keep_the_radiometry_of_a_real_single_look_image(name):
    noisy = single_look()
    filtered = FILTERS[name].apply(noisy, 1)
    found = Suppression.of(noisy, filtered)
    assert mean_of_intensity(noisy, filtered) == pytest.approx(1, abs=0.1)
    assert found.ratio_mean == pytest.approx(1, abs=0.1)
    assert 0.5 < found.ratio_variance < 1.5


def test_block_matching_takes_oversampled_speckle_for_ground_unless_every_second_pixel_is_filtered_with_its_like():
    noisy, found = single_look(), {}
    for spacing in (1, 2):
        options = MethodOptions(name="sar-bm3d", bands=("VV",), looks=1, spacing_px=spacing)
        said = classical("sar-bm3d", options).predict({NOISY: scene(noisy)})[FILTERED].array[0]
        found[spacing] = Suppression.of(noisy, said)
    assert found[1].ratio_variance < 0.6
    assert found[2].ratio_variance == pytest.approx(1, abs=0.15)
    assert found[2].ratio_mean == pytest.approx(1, abs=0.05)


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    """The chips of despeckling-s1, from the files as they were published."""
    dataset = tmp_path_factory.mktemp("sources") / "opera-10sgd"
    dataset.mkdir()
    shutil.copy(PROJECT / "data/sources/opera-10sgd/dataset.yaml", dataset)
    ingest(OPERA, dataset)
    task, params = load_run("despeckling-s1")
    return prepare_run(task, params, read_sources(dataset / "raw"), tmp_path_factory.mktemp("prepared") / "run")


def test_places_of_the_real_run_lie_apart_and_hold_21_dates(bursts):
    _, params = load_run("despeckling-s1")
    places = params.split
    assert sorted(bursts.index["place"]) == sorted([*places.train, *places.val, *places.test])
    assert {len(bursts.chip(name).inputs["series"].dates) for name in bursts.ids()} == {21}
    assert not {name.rsplit("-", 1)[0] for name in places.test} & {name.rsplit("-", 1)[0] for name in places.train}


def test_a_filter_comes_nearer_to_the_other_dates_than_the_date_itself(bursts):
    task, params = load_run("despeckling-s1")
    fold = params.split.folds()[0]
    samples = task.samples(bursts.of(fold), "val", params)
    filters = task.methods(params).named()
    found = {}
    for name in ("lee", "unfiltered"):
        chosen = [samples[index] for index in (2, 44, 51, 58)]  # sea, and land
        rows = [row for sample in chosen for row in task.measure(sample, predict(filters[name], sample.inputs))]
        found[name] = task.summarise(rows)
    assert found["lee"]["psnr_db"] > found["unfiltered"]["psnr_db"] + 1
    assert found["lee"]["log_rmse_db"] < found["unfiltered"]["log_rmse_db"]
    assert found["lee"]["stable_ratio_mean"] == pytest.approx(1, abs=0.1)
    assert found["lee"]["enl"] > 2 * found["unfiltered"]["enl"], "on the sea of the validation"
    assert 1 / found["unfiltered"]["stable_speckle_variance"] == pytest.approx(params.method["looks"], rel=0.5)
