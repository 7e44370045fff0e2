"""Toy (c): pixel classification with a forest that is fitted once and kept as arrays."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from components.pictures.picture import Picture
from components.raster.scene import Class
from components.tasks.bundle import require_arrays
from components.tasks.chips import Chip
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Row, Sample, Spec
from tests.tasks.toys.ground import PLACES, SIDE, Drawn, place_rng, run_params, scene

RUNS = (run_params("pixels", folds=True),)
CLASSES = (Class(1, "water", (0, 0, 255)), Class(2, "crop", (0, 255, 0)))
NOTHING = 0
FIELDS = {"left": "int64", "right": "int64", "feature": "int64", "threshold": "float64", "vote": "float64"}


class Forest:
    """Trees as arrays of nodes, one row a tree: children, feature, threshold and the vote for class 2."""

    halo_px = 0

    def __init__(self, nodes=None, scale=1.0):
        self.nodes, self.scale = nodes, scale

    def survey(self, scenes):
        return self

    def fit(self, train, val):
        samples = [train[index] for index in range(len(train))]
        scale = float(np.max([sample.inputs["image"].array.max() for sample in samples]))
        pixels = np.concatenate([sample.inputs["image"].array.reshape(2, -1).T / scale for sample in samples])
        truth = np.concatenate([sample.targets["classes"].array.ravel() for sample in samples])
        trees = [each.tree_ for each in RandomForestClassifier(3, max_depth=3, random_state=0).fit(pixels, truth)]
        most = max(tree.node_count for tree in trees)
        columns = {
            "left": [tree.children_left for tree in trees],
            "right": [tree.children_right for tree in trees],
            "feature": [tree.feature for tree in trees],
            "threshold": [tree.threshold for tree in trees],
            "vote": [tree.value[:, 0, 1] / tree.value[:, 0].sum(1) for tree in trees],
        }
        padded = {
            name: np.stack([np.resize(a, most).astype(FIELDS[name]) for a in each]) for name, each in columns.items()
        }
        return padded, {"scale": scale}

    def restored(self, state, preprocessing):
        shape = next(iter(state.values())).shape
        require_arrays(state, {name: (shape, dtype) for name, dtype in FIELDS.items()}, "forest")
        return Forest(state, preprocessing["scale"])

    def predict(self, scenes):
        image = scenes["image"]
        pixels = np.nan_to_num(image.array.reshape(2, -1).T / self.scale).astype("float32")
        votes = np.mean([self._tree(number, pixels) for number in range(len(self.nodes["left"]))], axis=0)
        return {"classes": class_map(image, 1 + (votes > 0.5).reshape(image.grid.shape))}

    def _tree(self, number, pixels):
        tree = {name: array[number] for name, array in self.nodes.items()}
        at = np.zeros(len(pixels), int)
        while (inner := tree["left"][at] >= 0).any():
            low = pixels[np.arange(len(pixels)), tree["feature"][at]] <= tree["threshold"][at]
            at = np.where(inner, np.where(low, tree["left"][at], tree["right"][at]), at)
        return tree["vote"][at]


class AllWater:
    halo_px = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        return {"classes": class_map(scenes["image"], np.ones(scenes["image"].grid.shape))}


def class_map(image, codes):
    array = np.where(image.valid, codes, NOTHING)[None].astype("uint8")
    return image.with_array(array, bands=("classes",), unit="class", nodata=NOTHING, classes=CLASSES)


class PixelTask:
    def spec(self, params):
        inputs = (InputSpec("image", "any", ("red", "nir"), "reflectance"),)
        return Spec(inputs, (OutputSpec("classes", "classes", "class", ("classes",), CLASSES),), Metric("accuracy"))

    def prepare(self, sources, params):
        for place in PLACES:
            rng = place_rng(place)
            truth = rng.integers(1, 3, (1, SIDE, SIDE)).astype("uint8")
            image = rng.normal(0.3, 0.02, (2, SIDE, SIDE)) + 0.2 * (truth == 2)
            seen = scene(place, image.astype("float32"), "reflectance", ("red", "nir"))
            target = scene(place, truth, "class", ("classes",), NOTHING, classes=CLASSES)
            yield Chip(place, place, place, seen.grid.window, {"image": seen}, {"classes": target})

    def samples(self, prepared, split, params):
        chips = [prepared.chip(name) for name in prepared.ids(split)]
        return Drawn(len(chips), lambda i: Sample(chips[i].id, chips[i].place, chips[i].inputs, chips[i].targets))

    def methods(self, params):
        return Methods(Forest(), {"all water": AllWater()})

    def measure(self, sample, output):
        truth, found = sample.targets["classes"].array, output["classes"].array
        known = (truth != NOTHING) & (found != NOTHING)
        return [Row(sample.unit, {"right": float((truth == found)[known].sum()), "known": float(known.sum())})]

    def summarise(self, rows):
        known = sum(row.values["known"] for row in rows)
        return {"accuracy": sum(row.values["right"] for row in rows) / known if known else None}

    def draw(self, sample, output):
        palette = np.zeros((256, 3), "float32")
        for each in CLASSES:
            palette[each.code] = np.array(each.colour) / 255
        return Picture(sample.id, {"classes": palette[output["classes"].array[0]]})


TASK = PixelTask()
