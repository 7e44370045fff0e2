"""A toy run: ten places of noise in which a square got brighter; the candidate learnt one threshold."""

from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from components.evaluation.scoring import Job
from components.metrics.classification import CalibrationBins, Counts, calibration_bins, ece
from components.pictures.picture import Picture
from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.bundle import RELEASED, save_state
from components.tasks.chips import Chip, pack
from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec

PLACES = tuple(f"place-{number}" for number in range(10))
GROUPS = (PLACES[:4], PLACES[4:7], PLACES[7:])


@dataclass(frozen=True)
class Threshold:
    """Changed where the pixel is above a number; sure of it nine times in ten."""

    above: float
    halo_px: int | None = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        scene = scenes["image"]
        probability = np.where(scene.array > self.above, 0.9, 0.1).astype(np.float32)
        probability[:, ~scene.valid] = np.nan
        return {"probability": Scene(probability, scene.grid, ("change",), "probability", np.nan)}

    def restored(self, state, preprocessing):
        return replace(self, above=float(state["above"][0]))


class Toy:
    def spec(self, params):
        image = InputSpec("image", "toy", ("grey",), "1")
        return Spec((image,), (OutputSpec("probability", "continuous", "probability"),), Metric("f1"))

    def prepare(self, sources, params):
        for seed, place in enumerate(PLACES):
            yield chip(place, seed)

    def samples(self, prepared, split, params):
        chips = [prepared.chip(each) for each in prepared.ids(split)]
        return [Sample(each.id, each.place, each.inputs, each.targets) for each in chips]

    def methods(self, params):
        return Methods(Threshold(np.inf), {"high": Threshold(2.2)}, {"all-unchanged": Threshold(np.inf)})

    def measure(self, sample, output):
        said, seen = output["probability"].array[0], sample.inputs["image"].valid
        truth = sample.targets["change"].array[0] == 1
        bins = calibration_bins(said, truth, valid=seen)
        return [Row(sample.unit, {**Counts.of(truth, said > 0.5, seen).values(), **bins.values()})]

    def summarise(self, rows):
        values = [row.values for row in rows]
        bins = CalibrationBins.pooled(values)
        return {**Counts.pooled(values).scores(), "ece": None if bins is None else ece(bins)}

    def draw(self, sample, output):
        grey = np.repeat(np.clip(sample.inputs["image"].array[0] / 4, 0, 1)[..., None], 3, axis=2)
        return Picture(sample.id, {"image": np.nan_to_num(grey).astype(np.float32)})


def chip(place, seed, side=24):
    generator = np.random.default_rng(seed)
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 5e5 + 1e4 * seed, 0, -10, 4e6), (side, side))
    truth = np.zeros((1, side, side), np.uint8)
    truth[:, 4:14, 4:14] = 1
    image = (generator.normal(size=truth.shape) * 0.5 + 2 * truth).astype(np.float32)
    image[:, 0] = np.nan
    scenes = Scene(image, grid, ("grey",), "1", np.nan), Scene(truth, grid, ("change",), "class", 255)
    return Chip(place, place, place, grid.window, {"image": scenes[0]}, {"change": scenes[1]})


def params(**changes):
    content = {
        "task": "toy",
        "dataset": "sandbox-toy",
        "description": "squares in noise",
        "split": {"kind": "folds", "groups": GROUPS},
        "training": {"threads": 1},
        "evaluation": {"resamples": 200, "tile_px": 64},
    }
    return RunParams.model_validate({**content, **changes})


def learn(folder, run_params, above):
    """Weights whose fold numbers are ``above`` for each fold in turn; the released one is the first."""
    state = [{"above": np.array([each], np.float32)} for each in above]
    save_state(folder, RELEASED, state[0], {})
    for fold, each in zip(run_params.split.folds(), state, strict=True):
        save_state(folder, fold.name, each, {})
    return folder


def job(folder, above=(1.0, 1.0, 1.0), **changes):
    run_params, task = params(**changes), Toy()
    prepared = pack(task.prepare((), run_params), folder / "prepared")
    return Job(task, run_params, prepared, learn(folder / "weights", run_params, above))
