"""Toy (b): pairs of dates drawn from a stack to learn from noise alone; scored on the input, without target."""

from datetime import UTC, datetime

import numpy as np
from scipy.ndimage import uniform_filter
from torch import nn

from components.pictures.picture import Picture
from components.raster.scene import Stack
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import NODATA, PLACES, SIDE, Drawn, ToyNetwork, place_rng, run_params, scene

RUNS = (run_params("denoise"),)
LOOKS = 4
DRAWS = 64  # different pairs of dates on offer


class Denoise(ToyNetwork):
    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)))

    def losses(self, module, batch):
        return {"other date": (module(batch["x"]) - batch["other"]).pow(2).mean()}

    def predict(self, scenes):
        output, valid = self.forward(scenes)
        return {"clean": scenes["image"].with_array(np.where(valid, np.abs(output) + 1e-3, NODATA).astype("float32"))}


class BoxMean:
    halo_px = 1

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        image, valid = scenes["image"].array[0], scenes["image"].valid
        summands = np.nan_to_num(image), valid.astype("float32")
        total, count = (uniform_filter(each, 3, mode="nearest") for each in summands)
        mean = np.where(valid, total / np.maximum(count, 1e-6), NODATA)
        return {"clean": scenes["image"].with_array(mean[None].astype("float32"))}


class DenoiseTask:
    def spec(self, params):
        inputs = (InputSpec("image", "SAR", ("VV",), "intensity"),)
        return Spec(inputs, (OutputSpec("clean", "continuous", "intensity", ("VV",)),), Metric("ratio_bias", "min"))

    def prepare(self, sources, params):
        dates = tuple(datetime(2024, 1, day, tzinfo=UTC) for day in (1, 13, 25))
        for place in PLACES:
            rng = place_rng(place)
            noisy = (1 + rng.random()) * rng.gamma(LOOKS, 1 / LOOKS, (3, 1, SIDE, SIDE)).astype("float32")
            grid = scene(place, noisy[0], "intensity", ("VV",)).grid
            stack = Stack(noisy.astype("float32"), grid, ("VV",), "intensity", dates, NODATA)
            yield Chip(place, place, place, grid.window, {"series": stack})

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]

        def whole(index):
            return Sample(chips[index].id, chips[index].place, {"image": chips[index].inputs["series"].scene(0)})

        def pair(index):
            rng = np.random.default_rng((params.seed, index))
            chip = chips[rng.integers(len(chips))]
            one, other = rng.choice(3, size=2, replace=False)
            series = chip.inputs["series"]
            return Sample(
                f"{chip.id}-{index}", chip.place, {"image": series.scene(one)}, {"other": series.scene(other)}
            )

        return Drawn(DRAWS, pair) if split == "train" else Drawn(len(chips), whole)

    def methods(self, params):
        return Methods(Denoise(), {"box mean": BoxMean()})

    def measure(self, sample, output):
        ratio = sample.inputs["image"].array / output["clean"].array
        return [Row(sample.unit, {"ratio": float(np.nansum(ratio)), "pixels": float(np.isfinite(ratio).sum())})]

    def summarise(self, rows):
        pixels = sum(row.values["pixels"] for row in rows)
        return {"ratio_bias": abs(sum(row.values["ratio"] for row in rows) / pixels - 1) if pixels else None}

    def draw(self, sample, output):
        grey = np.clip(np.repeat(np.nan_to_num(output["clean"].array[0])[..., None], 3, axis=2), 0, 1)
        return Picture(sample.id, {"clean": grey})


TASK = DenoiseTask()
