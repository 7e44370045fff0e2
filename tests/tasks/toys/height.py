"""Toy (f): heights in metres and classes from one network, their losses balanced by GradNorm."""

import numpy as np
from torch import nn

from components.pictures.picture import Picture
from components.raster.scene import Class
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import NODATA, PLACES, SIDE, Drawn, ToyNetwork, place_rng, run_params, scene

RUNS = (run_params("height", balance="gradnorm"),)
CLASSES = (Class(1, "ground", (120, 90, 30)), Class(2, "roof", (200, 0, 0)))


class Height(ToyNetwork):
    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1)))

    def shared_layer(self, module):
        return module[0]

    def losses(self, module, batch):
        height, logits = module(batch["x"]).split([1, 2], dim=1)  # (B, 1, H, W), (B, 2, H, W)
        classes = batch["classes"][:, 0].long() - 1
        return {
            "height": (height - batch["height"]).abs().mean(),
            "classes": nn.functional.cross_entropy(logits, classes),
        }

    def predict(self, scenes):
        output, valid = self.forward(scenes)
        return outputs(scenes["image"], output[0], 1 + output[1:].argmax(0), valid)


class Flat:
    halo_px = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        image = scenes["image"]
        return outputs(image, np.zeros(image.grid.shape), np.ones(image.grid.shape), image.valid)


def outputs(image, height, classes, valid):
    height = np.where(valid, height, NODATA)[None].astype("float32")
    codes = np.where(valid, classes, 0)[None].astype("uint8")
    return {
        "height": image.with_array(height, bands=("height",), unit="m"),
        "classes": image.with_array(codes, bands=("classes",), unit="class", nodata=0, classes=CLASSES),
    }


class HeightTask:
    def spec(self, params):
        return Spec(
            (InputSpec("image", "aerial", ("grey",), "digital_number"),),
            (
                OutputSpec("height", "continuous", "m", ("height",)),
                OutputSpec("classes", "classes", "class", ("classes",), CLASSES),
            ),
            Metric("mae_m", "min"),
        )

    def prepare(self, sources, params):
        for place in PLACES:
            rng = place_rng(place)
            roof = rng.random((1, SIDE, SIDE)) > 0.6
            image = scene(place, (40 + 60 * roof).astype("float32"), "digital_number", ("grey",))
            height = scene(place, (8.0 * roof).astype("float32"), "m", ("height",))
            classes = scene(place, (1 + roof).astype("uint8"), "class", ("classes",), 0, classes=CLASSES)
            yield Chip(place, place, place, image.grid.window, {"image": image}, {"height": height, "classes": classes})

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Height(), {"flat ground": Flat()})

    def measure(self, sample, output):
        error = np.abs(output["height"].array - sample.targets["height"].array)
        right = output["classes"].array == sample.targets["classes"].array
        values = {
            "error": float(np.nansum(error)),
            "right": float(right.sum()),
            "pixels": float(np.isfinite(error).sum()),
        }
        return [Row(sample.unit, values)]

    def summarise(self, rows):
        error, right, pixels = (sum(row.values[name] for row in rows) for name in ("error", "right", "pixels"))
        return {"mae_m": error / pixels, "accuracy": right / pixels} if pixels else {"mae_m": None, "accuracy": None}

    def draw(self, sample, output):
        grey = np.clip(np.repeat(np.nan_to_num(output["height"].array[0])[..., None] / 30, 3, axis=2), 0, 1)
        return Picture(sample.id, {"height": grey})


TASK = HeightTask()
