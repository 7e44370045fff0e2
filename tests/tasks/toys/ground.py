"""What all toys share: six places far apart, and the plumbing of a small network."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch
from affine import Affine
from rasterio.crs import CRS

from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.bundle import load_module
from components.tasks.params import RunParams

PLACES = ("aube", "brie", "creuse", "doubs", "eure", "gard")
SIDE = 24
NODATA = float("nan")
UTM31 = CRS.from_epsg(32631)


def place_rng(place):
    """The generator of one place."""
    return np.random.default_rng(PLACES.index(place))


def scene(place, array, unit, bands, nodata=NODATA, day=1, classes=()):
    """Pixels on the grid of a place: 10 m, 20 km from the next place."""
    corner = Affine(10, 0, 400_000 + 20_000 * PLACES.index(place), 0, -10, 5_000_000)
    grid = Grid(UTM31, corner, array.shape[-2:])
    return Scene(array, grid, bands, unit, nodata, datetime(2024, 5, day, tzinfo=UTC), classes)


def run_params(task, *, folds=False, method=None, **training):
    """Parameters of a toy run: four places to learn, one to stop, one to score."""
    split = (
        {"kind": "folds", "groups": [PLACES[:2], PLACES[2:4], PLACES[4:]]}
        if folds
        else {"kind": "places", "train": PLACES[:4], "val": PLACES[4:5], "test": PLACES[5:]}
    )
    settings = {"epochs": 2, "steps_per_epoch": 3, "batch": 4, "threads": 1, "lr": 0.01, **training}
    return RunParams(
        task=task,
        dataset="toy",
        description="a toy",
        split={**split, "guard_m": 1000.0},
        method=method or {},
        training=settings,
    )


@dataclass(frozen=True)
class Drawn:
    """Samples made by a function of the index."""

    count: int
    make: Callable

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.make(index)


class ToyNetwork:
    """A module with one mean and deviation per input band, saved as its preprocessing.

    A toy says which inputs it stacks, what it makes of the module's output, and its losses.
    """

    halo_px = 2
    stacked = ("image",)

    def __init__(self, module):
        self.module, self.statistics = module, {}

    def survey(self, scenes):
        return self

    @property
    def preprocessing(self):
        return self.statistics

    def prepared_for(self, train):
        seen = np.concatenate([self.raw(train[i].inputs).reshape(self.bands(), -1) for i in range(len(train))], axis=1)
        self.statistics = {"mean": np.nanmean(seen, 1).tolist(), "deviation": np.nanstd(seen, 1).tolist()}
        return self

    def restored(self, state, preprocessing):
        load_module(self.module, state, type(self).__name__)
        self.statistics = dict(preprocessing)
        return self

    def bands(self):
        return next(p for p in self.module.parameters() if p.dim() > 1).shape[1]

    def raw(self, inputs):
        return np.concatenate([inputs[name].array for name in self.stacked])

    def tensor(self, inputs):
        mean, deviation = (np.array(self.statistics[k])[:, None, None] for k in ("mean", "deviation"))
        scaled = (self.raw(inputs) - mean) / deviation
        return torch.from_numpy(np.nan_to_num(scaled).astype("float32"))

    def collate(self, samples):
        return {
            "x": torch.stack([self.tensor(sample.inputs) for sample in samples]),
            **{
                name: torch.from_numpy(np.stack([sample.targets[name].array for sample in samples]))
                for name in samples[0].targets
            },
        }

    def forward(self, scenes):
        """The module's output as an array, and the pixels that every input saw."""
        with torch.inference_mode():
            output = self.module(self.tensor(scenes)[None])[0].numpy()
        return output, np.logical_and.reduce([scenes[name].valid for name in self.stacked])
