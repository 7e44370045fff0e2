"""Toy (g): a regression on a table of plots: no raster anywhere."""

import numpy as np
import torch
from shapely.geometry import Point
from torch import nn

from components.pictures.picture import Picture
from components.raster.grid import Window
from components.raster.scene import Features
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import PLACES, UTM31, Drawn, ToyNetwork, place_rng, run_params

RUNS = (run_params("plots"),)
COLUMNS = ("coherence", "slope")


class Perceptron(ToyNetwork):
    halo_px = 0

    def __init__(self):
        super().__init__(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))

    def raw(self, inputs):
        return np.stack([inputs["plots"].table[name] for name in COLUMNS])

    def tensor(self, inputs):
        mean, deviation = (np.array(self.statistics[key])[:, None] for key in ("mean", "deviation"))
        return torch.from_numpy(((self.raw(inputs) - mean) / deviation).T.astype("float32"))  # (plots, columns)

    def collate(self, samples):  # plots of all samples in one table: their number differs
        heights = np.concatenate([sample.targets["heights"].table["height_m"] for sample in samples])
        return {"x": torch.cat([self.tensor(sample.inputs) for sample in samples]), "y": torch.from_numpy(heights)}

    def losses(self, module, batch):
        return {"height": (module(batch["x"])[:, 0] - batch["y"]).pow(2).mean()}

    def predict(self, scenes):
        with torch.inference_mode():
            return heights(scenes["plots"], self.module(self.tensor(scenes))[:, 0].numpy())


class Mean:
    halo_px = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        known = np.isfinite(np.stack([scenes["plots"].table[name] for name in COLUMNS])).all(0)
        return heights(scenes["plots"], np.where(known, 15.0, np.nan))


def heights(plots, values):
    return {"heights": Features(plots.geometries, plots.crs, {"height_m": values.astype("float32")})}


class PlotTask:
    def spec(self, params):
        inputs = (InputSpec("plots", "UAVSAR", COLUMNS, "1", kind="features"),)
        return Spec(inputs, (OutputSpec("heights", "features", "m", ("height_m",)),), Metric("rmse_m", "min"))

    def prepare(self, sources, params):
        for number, place in enumerate(PLACES):
            rng, count = place_rng(place), 10 + number
            points = tuple(Point(400_000 + 20_000 * number + 30 * at, 5_000_000) for at in range(count))
            table = {name: rng.random(count).astype("float32") for name in COLUMNS}
            truth = {"height_m": (30 * (1 - table["coherence"])).astype("float32")}
            inputs, targets = {"plots": Features(points, UTM31, table)}, {"heights": Features(points, UTM31, truth)}
            yield Chip(place, place, place, Window(0, 0, count, 1), inputs, targets)

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Perceptron(), {"mean": Mean()})

    def measure(self, sample, output):
        error = output["heights"].table["height_m"] - sample.targets["heights"].table["height_m"]
        return [Row(sample.unit, {"squares": float(np.nansum(error**2)), "plots": float(np.isfinite(error).sum())})]

    def summarise(self, rows):
        plots = sum(row.values["plots"] for row in rows)
        return {"rmse_m": (sum(row.values["squares"] for row in rows) / plots) ** 0.5 if plots else None}

    def draw(self, sample, output):
        column = np.nan_to_num(output["heights"].table["height_m"]) / 30
        return Picture(sample.id, {"heights": np.clip(np.repeat(column[None, :, None], 3, axis=2), 0, 1)})


TASK = PlotTask()
