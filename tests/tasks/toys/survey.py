"""Toy (e): pairs and stacks in one task, thresholds taken over the whole scene before any tile; nothing learnt."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from components.pictures.picture import Picture
from components.raster.scene import Class, Stack
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import NODATA, PLACES, SIDE, Drawn, place_rng, run_params, scene

RUNS = (run_params("survey", method={"kind": "pair"}), run_params("survey", method={"kind": "series"}))
CLASSES = (Class(0, "unchanged", (0, 0, 0)), Class(1, "changed", (255, 0, 0)))
NOTHING = 255


@dataclass(frozen=True)
class Threshold:
    """Change where the contrast over time is above the whole scene's mean plus two deviations."""

    limit: float | None = None
    halo_px: int = 0

    def survey(self, scenes):
        contrast, valid = measured(scenes)
        return Threshold(float(contrast[valid].mean() + 2 * contrast[valid].std()) if valid.any() else 0.0)

    def predict(self, scenes):
        contrast, valid = measured(scenes)
        limit = self.survey(scenes).limit if self.limit is None else self.limit
        return {"change": change_map(scenes, contrast > limit, valid)}


class Unchanged:
    halo_px = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        contrast, valid = measured(scenes)
        return {"change": change_map(scenes, np.zeros_like(contrast), valid)}


def measured(scenes):
    """Contrast over time and the pixels seen at every date, of a pair or of a stack."""
    stack = scenes["series"].array if "series" in scenes else np.stack([scenes[n].array for n in ("before", "after")])
    valid = np.isfinite(stack).all(axis=(0, 1))
    filled = np.where(valid, stack, 0)
    return (filled.max(axis=0) - filled.min(axis=0))[0], valid


def change_map(scenes, changed, valid):
    first = next(iter(scenes.values()))
    like = first.scene(0) if isinstance(first, Stack) else first
    array = np.where(valid, changed, NOTHING)[None].astype("uint8")
    return like.with_array(array, bands=("change",), unit="class", nodata=NOTHING, classes=CLASSES)


class SurveyTask:
    def spec(self, params):
        scenes = (InputSpec("before", "SAR", ("VV",), "db"), InputSpec("after", "SAR", ("VV",), "db"))
        stack = (InputSpec("series", "SAR", ("VV",), "db", kind="stack"),)
        outputs = (OutputSpec("change", "classes", "class", ("change",), CLASSES),)
        return Spec(scenes if params.method["kind"] == "pair" else stack, outputs, Metric("f1"))

    def prepare(self, sources, params):
        for place in PLACES:
            layers = place_rng(place).normal(-10, 0.5, (4, 1, SIDE, SIDE)).astype("float32")
            layers[-1, :, 4:8, 4:8] += 12
            truth = np.zeros((1, SIDE, SIDE), "uint8")
            truth[:, 4:8, 4:8] = 1
            before, after = (scene(place, layers[at], "db", ("VV",), day=day) for at, day in ((0, 1), (-1, 20)))
            dates = tuple(datetime(2024, 5, day, tzinfo=UTC) for day in (1, 7, 13, 20))
            series = Stack(layers, before.grid, ("VV",), "db", dates, NODATA, "ascending 59")
            pair = params.method["kind"] == "pair"
            inputs = {"before": before, "after": after} if pair else {"series": series}
            target = scene(place, truth, "class", ("change",), NOTHING, classes=CLASSES)
            yield Chip(place, place, place, before.grid.window, inputs, {"change": target})

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Threshold(), {"all unchanged": Unchanged()})

    def measure(self, sample, output):
        truth, found = sample.targets["change"].array, output["change"].array
        known = found != NOTHING
        counts = {"tp": truth & (found == 1), "fp": (truth == 0) & (found == 1), "fn": (truth == 1) & (found == 0)}
        return [Row(sample.unit, {name: float((hit & known).sum()) for name, hit in counts.items()})]

    def summarise(self, rows):
        tp, fp, fn = (sum(row.values[name] for row in rows) for name in ("tp", "fp", "fn"))
        return {"f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None}

    def draw(self, sample, output):
        red = np.zeros((*output["change"].grid.shape, 3), "float32")
        red[..., 0] = output["change"].array[0] == 1
        return Picture(sample.id, {"change": red})


TASK = SurveyTask()
