"""The network as a method: logarithms in, reflectivity out, learnt from pairs of noisy dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.errors import NotEnoughData, VersionCorrupt
from components.inference.method import Arguments, Outputs
from components.inference.tiled import predict_whole
from components.raster.scene import Scene, Value
from components.tasks.bundle import load_module
from components.tasks.despeckling.losses import HistogramLoss, l1_log, l2_amplitude, l2_log, likelihood, log_bias
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.scenes import OTHER, STABLE, answer, noisy_of
from components.tasks.seam import Batch, Sample, Samples, State
from models.dilated_residual import RECEPTIVE_PX, STRIDE_PX, DilatedResidual

SPREAD = 6.0  # how many deviations from the centre a logarithm may lie: an intensity of 0 has none
STATISTICS_SAMPLES = 64  # training windows that centre and scale are taken from
HISTOGRAM_SPREAD, HISTOGRAM_L2 = 4.0, 0.1  # reach of its bins in deviations; the share of l2 that goes with it
TURNS = tuple((quarters, flip) for flip in (False, True) for quarters in range(4))
POINTWISE = {"l1": l1_log, "l2": l2_log, "likelihood": likelihood, "amplitude": l2_amplitude}


class DespecklingNetwork:
    """A residual network on standardised log-intensities, band by band of one scene.

    It answers log R itself: what the speckle of the other date adds on average is taken off in the loss, so nothing is
    left to correct. ``halo_px`` is its receptive field. Pixels that were not seen are the mean, as beyond the edge.
    """

    alignment_px = STRIDE_PX

    def __init__(self, options: MethodOptions) -> None:
        self.options = options
        self.module: nn.Module = DilatedResidual(len(options.bands), options.width)
        self.halo_px: int | None = RECEPTIVE_PX
        self.needs_survey = False
        self.centre: tuple[float, ...] | None = None
        self.scale: tuple[float, ...] | None = None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Nothing to learn from the scene: centre and scale are those of the training."""
        return self

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Filtered intensity and ratio."""
        return predict_whole(self, scenes)

    def encode(self, scenes: Mapping[str, Value]) -> tuple[Arguments, Scene]:
        """Standardised logarithms (band, row, col), 0 where there is no pixel; and the noisy intensity."""
        noisy = noisy_of(scenes, self.options)
        return (self._standardised(noisy.array),), noisy

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """Standardised log R (B, band, rows, cols), the mean over all turns of the options."""
        (seen,) = arguments
        said: Tensor = self.module(seen).float()
        for quarters, flip in TURNS[1 : self.options.turns]:
            said += _unturned(self.module(_turned(seen, quarters, flip)).float(), quarters, flip)
        return said / self.options.turns

    def decode(self, context: Scene, said: NDArray[np.float32]) -> Outputs:
        """Filtered intensity and ratio of a tile."""
        centre, scale = self._statistics
        return answer(context, np.exp(said * scale + centre))

    def prepared_for(self, train: Samples) -> Self:
        """The network with centre and scale of the logarithms of training pixels, band by band.

        Raises:
            NotEnoughData: if no training pixel is above 0.
        """
        count = min(len(train), STATISTICS_SAMPLES)
        shown = [noisy_of(train[index].inputs, self.options).array for index in range(count)]
        bands = [np.concatenate([each[band].ravel() for each in shown]) for band in range(len(self.options.bands))]
        logs = [np.log(values[values > 0].astype(np.float64)) for values in bands]
        if not all(values.size for values in logs):
            raise NotEnoughData("the training windows hold no intensity above 0; check unit and nodata of the dataset")
        ready = copy(self)
        ready.centre = tuple(round(float(values.mean()), 6) for values in logs)
        ready.scale = tuple(round(max(float(values.std()), 1e-3), 6) for values in logs)
        return ready

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Bands, and centre and scale of their natural logarithms of intensity."""
        if self.centre is None or self.scale is None:
            return {}
        bands = list(self.options.canonical_bands)
        return {"bands": bands, "centre": list(self.centre), "scale": list(self.scale)}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Tensors (B, band, H, W): what the network sees, the logarithm of the other date, and 1 where it counts."""
        seen = [self.encode(sample.inputs)[0][0] for sample in samples]
        others = [self._logarithm(_array(sample, OTHER)) for sample in samples]
        stable = [_array(sample, STABLE) for sample in samples]
        named = {"noisy": seen, "other": others, "stable": stable}
        return {name: torch.from_numpy(np.stack(arrays)) for name, arrays in named.items()}

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The loss of the options; the histogram loss goes with a tenth of l2.

        All are debiased exactly for ``looks``: their minimum is log R. The histogram loss compares standardised values,
        whose target is moved by E[log S] too.
        """
        centre, scale = (torch.as_tensor(each, device=batch["other"].device) for each in self._statistics)
        said, target, seen = module(batch["noisy"]).float(), batch["other"], batch["stable"]
        looks, name = self.options.target_looks, self.options.loss
        if name != "histogram":
            return {name: POINTWISE[name](said * scale + centre, target, seen, looks)}
        alike = HistogramLoss(-HISTOGRAM_SPREAD, HISTOGRAM_SPREAD)
        unbiased = (target - log_bias(looks) - centre) / scale
        pointwise = HISTOGRAM_L2 * l2_log(said * scale + centre, target, seen, looks)
        return {"histogram": alike(said, unbiased, seen), "l2": pointwise}

    def restored(self, state: State, preprocessing: Mapping[str, Any]) -> Self:
        """The network with learnt numbers.

        Raises:
            VersionCorrupt: if a name, shape or dtype is not the network's, or it learnt from other bands.
        """
        bands = list(self.options.canonical_bands)
        if preprocessing.get("bands") != bands:
            found = preprocessing.get("bands")
            raise VersionCorrupt("despeckling", f"it was trained on bands {found}, and this run shows it {bands}")
        ready = copy(self)
        ready.centre, ready.scale = (tuple(map(float, preprocessing[name])) for name in ("centre", "scale"))
        load_module(ready.module, state, f"despeckling {self.options.name}")
        return ready

    @property
    def _statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Centre and scale (band, 1, 1); 0 and 1 before they are known."""
        bands = len(self.options.bands)
        centre, scale = self.centre or (0.0,) * bands, self.scale or (1.0,) * bands
        first, second = (np.asarray(each, np.float32)[:, None, None] for each in (centre, scale))
        return first, second

    def _logarithm(self, intensity: NDArray[np.floating]) -> NDArray[np.float32]:
        """Natural logarithms, cut where they lie absurdly low; NaN stays."""
        centre, scale = self._statistics
        return np.asarray(np.log(np.maximum(intensity, np.exp(centre - SPREAD * scale))), np.float32)

    def _standardised(self, intensity: NDArray[np.floating]) -> NDArray[np.float32]:
        centre, scale = self._statistics
        return np.asarray(np.nan_to_num((self._logarithm(intensity) - centre) / scale, nan=0.0), np.float32)


def _turned(images: Tensor, quarters: int, flip: bool) -> Tensor:
    turned = torch.rot90(images, quarters, (-2, -1))
    return turned.flip(-1) if flip else turned


def _unturned(images: Tensor, quarters: int, flip: bool) -> Tensor:
    return torch.rot90(images.flip(-1) if flip else images, -quarters, (-2, -1))


def _array(sample: Sample, name: str) -> NDArray[np.float32]:
    scene = sample.targets[name]
    assert isinstance(scene, Scene), "dates and masks are scenes"
    return np.asarray(scene.array, dtype=np.float32)
