"""Toy (a): a dense flow between two sensors, three losses a step, and a confidence beside the flow."""

import numpy as np
import torch
from torch import nn

from components.pictures.picture import Picture
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import NODATA, PLACES, Drawn, ToyNetwork, place_rng, run_params, scene

RUNS = (run_params("flow"),)


class Flow(ToyNetwork):
    stacked = ("optical", "sar")

    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)))

    def losses(self, module, batch):
        flow, confidence = module(batch["x"]).split([2, 1], dim=1)  # (B, 2, H, W), (B, 1, H, W)
        error = (flow - batch["flow"]).pow(2).sum(1, keepdim=True).sqrt()
        smooth = flow.diff(dim=-1).abs().mean() + flow.diff(dim=-2).abs().mean()
        trust = nn.functional.binary_cross_entropy_with_logits(confidence, torch.exp(-error.detach()))
        return {"endpoint": error.mean(), "smooth": 0.1 * smooth, "confidence": trust}

    def predict(self, scenes):
        output, valid = self.forward(scenes)
        trust = 1 / (1 + np.exp(-output[2:]))
        return outputs(scenes, np.where(valid, output[:2], NODATA), np.where(valid, trust, NODATA))


class ZeroFlow:
    halo_px = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        zero = np.where(scenes["optical"].valid & scenes["sar"].valid, 0, NODATA)[None]
        return outputs(scenes, np.concatenate([zero, zero]), zero + 0.5)


def outputs(scenes, flow, confidence):
    first = scenes["optical"]
    return {
        "flow": first.with_array(flow.astype("float32"), bands=("dx", "dy"), unit="px"),
        "confidence": first.with_array(confidence.astype("float32"), bands=("confidence",), unit="probability"),
    }


class FlowTask:
    def spec(self, params):
        return Spec(
            (InputSpec("optical", "any", ("nir",), "reflectance"), InputSpec("sar", "any", ("VV",), "db")),
            (
                OutputSpec("flow", "continuous", "px", ("dx", "dy")),
                OutputSpec("confidence", "continuous", "probability", ("confidence",)),
            ),
            Metric("endpoint_px", "min"),
        )

    def prepare(self, sources, params):
        for place in PLACES:
            rng = place_rng(place)
            optical, shift = rng.random((1, 24, 24), "float32"), rng.integers(0, 3)
            sar = 10 * np.log10(np.roll(optical, shift, axis=2) + 0.01)
            flow = np.stack([np.full((24, 24), shift), np.zeros((24, 24))]).astype("float32")
            seen = scene(place, optical, "reflectance", ("nir",))
            inputs = {"optical": seen, "sar": scene(place, sar.astype("float32"), "db", ("VV",))}
            target = {"flow": scene(place, flow, "px", ("dx", "dy"))}
            yield Chip(place, place, place, seen.grid.window, inputs, target)

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Flow(), {"zero flow": ZeroFlow()})

    def measure(self, sample, output):
        difference = output["flow"].array - sample.targets["flow"].array
        error = np.hypot(*difference)
        return [Row(sample.unit, {"error": float(np.nansum(error)), "pixels": float(np.isfinite(error).sum())})]

    def summarise(self, rows):
        pixels = sum(row.values["pixels"] for row in rows)
        return {"endpoint_px": sum(row.values["error"] for row in rows) / pixels if pixels else None}

    def draw(self, sample, output):
        grey = np.repeat(np.nan_to_num(output["confidence"].array[0])[..., None], 3, axis=2)
        return Picture(sample.id, {"confidence": grey.astype("float32")})


TASK = FlowTask()
