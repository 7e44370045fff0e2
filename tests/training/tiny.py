"""The smallest thing that trains: pixels whose target is a noisy line of their value."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch
from affine import Affine
from torch import nn

from components.raster.grid import Grid
from components.raster.scene import Scene
from components.tasks.bundle import load_module
from components.tasks.seam import Metric, Sample

ERROR = Metric("error", "min")


def scene(array, unit="1", nodata=float("nan")):
    grid = Grid(None, Affine.identity(), array.shape[-2:])
    return Scene(array.astype("float32"), grid, ("value",), unit, nodata, datetime(2024, 5, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Lines:
    """Samples whose content is a function of seed and index alone."""

    count: int = 40
    seed: int = 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        value = np.random.default_rng((self.seed, index)).normal(size=(1, 4, 4))
        return Sample(f"s{index}", "place", {"x": scene(value)}, {"y": scene(2 * value + 1)})


class Line:
    """A line with dropout, so that the random state matters."""

    halo_px = 0

    def __init__(self, parts=1):
        self.module = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Dropout2d(0.3), nn.Conv2d(8, 1, 1))
        self.parts, self.preprocessing = parts, {"scale": 1.0}

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        with torch.no_grad():
            out = self.module(torch.from_numpy(scenes["x"].array)[None])[0]
        return {"y": scenes["x"].with_array(out.numpy())}

    def prepared_for(self, train):
        return self

    def collate(self, samples):
        return {name: torch.from_numpy(np.stack([self._array(s, name) for s in samples])) for name in ("x", "y")}

    def losses(self, module, batch):
        loss = (module(batch["x"]) - batch["y"]).abs().mean()
        return {f"part{number}": loss * (number + 1) for number in range(self.parts)}

    def restored(self, state, preprocessing):
        load_module(self.module, state, "line")
        return self

    def shared_layer(self, module):
        return module[0]

    @staticmethod
    def _array(sample, name):
        return {**sample.inputs, **sample.targets}[name].array


def error(network, samples=Lines(8, seed=9)):
    differences = [
        network.predict(s.inputs)["y"].array - s.targets["y"].array for s in map(samples.__getitem__, range(8))
    ]
    return float(np.abs(differences).mean())
