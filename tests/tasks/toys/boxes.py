"""Toy (d): boxes, ragged batches, and an average precision that pools the boxes of all images."""

import numpy as np
import torch
from scipy.ndimage import maximum_filter
from shapely.geometry import box
from torch import nn

from components.pictures.picture import Picture
from components.raster.scene import Features
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import PLACES, SIDE, UTM31, Drawn, ToyNetwork, place_rng, run_params, scene

RUNS = (run_params("boxes", steps_per_epoch=6, lr=0.05),)
HALF_M = 15.0  # half the side of every box: 3 pixels of 10 m


class Boxes(ToyNetwork):
    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1)))

    def collate(self, samples):
        centres = [_centres(sample.inputs["image"].grid, sample.targets["boxes"]) for sample in samples]
        return {"x": torch.stack([self.tensor(s.inputs) for s in samples]), "centres": centres}  # centres: ragged

    def losses(self, module, batch):
        heat = module(batch["x"])[:, 0]  # (B, H, W)
        target = torch.zeros_like(heat)
        for image, centres in zip(target, batch["centres"], strict=True):
            image[centres[:, 0], centres[:, 1]] = 1
        return {"heat": nn.functional.binary_cross_entropy_with_logits(heat, target)}

    def predict(self, scenes):
        output, valid = self.forward(scenes)
        return {"boxes": found(scenes["image"], np.where(valid, output[0], -np.inf))}


class Brightest:
    halo_px = 2

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        return {"boxes": found(scenes["image"], np.where(scenes["image"].valid, scenes["image"].array[0], -np.inf))}


def found(image, heat, most=5):
    """Boxes around the highest local maxima, scored by their height."""
    peaks = np.argwhere((heat == maximum_filter(heat, 5)) & np.isfinite(heat))
    best = sorted(peaks.tolist(), key=lambda at: -heat[tuple(at)])[:most]
    scores = np.array([heat[row, col] for row, col in best], dtype="float32")
    return Features(tuple(_box(image.grid, row, col) for row, col in best), image.grid.crs, {"score": scores})


def _box(grid, row, col):
    x, y = grid.transform @ (col + 0.5, row + 0.5)
    return box(x - HALF_M, y - HALF_M, x + HALF_M, y + HALF_M)


def _centres(grid, features):
    points = [~grid.transform @ (each.centroid.x, each.centroid.y) for each in features.geometries]
    return torch.tensor([[int(y), int(x)] for x, y in points], dtype=torch.long).reshape(-1, 2)


class BoxTask:
    def spec(self, params):
        inputs = (InputSpec("image", "aerial", ("grey",), "digital_number"),)
        return Spec(inputs, (OutputSpec("boxes", "features", "1", ("score",)),), Metric("ap"))

    def prepare(self, sources, params):
        for number, place in enumerate(PLACES):
            rng = place_rng(place)
            image = rng.normal(50, 5, (1, SIDE, SIDE)).astype("float32")
            at = [(r, c) for r in (4, 12, 20) for c in (4, 12, 20)][: number % 4]  # one place holds none
            for row, col in at:
                image[0, row - 1 : row + 2, col - 1 : col + 2] += 100
                image[0, row, col] += 50
            seen = scene(place, image, "digital_number", ("grey",))
            truth = Features(tuple(_box(seen.grid, *each) for each in at), UTM31)
            yield Chip(place, place, place, seen.grid.window, {"image": seen}, {"boxes": truth})

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Boxes(), {"brightest": Brightest()})

    def measure(self, sample, output):
        left, hits = list(sample.targets["boxes"].geometries), []
        for each in output["boxes"].geometries:  # by falling score
            match = next((t for t in left if t.intersection(each).area > 0.5 * t.union(each).area), None)
            hits.append(float(match is not None))
            left = [t for t in left if t is not match]
        scores = tuple(float(score) for score in output["boxes"].table["score"])
        truths = float(len(sample.targets["boxes"].geometries))
        return [Row(sample.unit, {"scores": scores, "hits": tuple(hits), "truths": truths})]

    def summarise(self, rows):
        truths = sum(row.values["truths"] for row in rows)
        pooled = sorted(zip(*(sum((r.values[k] for r in rows), ()) for k in ("scores", "hits")), strict=True))[::-1]
        hits = np.array([hit for _, hit in pooled])
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        return {"ap": float((precision * hits).sum() / truths) if truths else None}

    def draw(self, sample, output):
        grey = np.clip(np.repeat(sample.inputs["image"].array[0][..., None] / 255, 3, axis=2), 0, 1)
        return Picture(sample.id, {"image": np.nan_to_num(grey)}, f"{len(output['boxes'].geometries)} boxes")


TASK = BoxTask()
