"""The learnt method on series: a small network on statistics of each pixel, trained with true changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from components.errors import NotEnoughData, VersionCorrupt
from components.inference.method import Outputs
from components.inference.tiled import predict_whole
from components.raster.scene import Scene, Stack, Value
from components.tasks.bundle import load_module
from components.tasks.change.pair import CHANGE, NODATA_CODE
from components.tasks.change.reactiv import estimated_looks, require_dates, series_of
from components.tasks.change.series import moments
from components.tasks.change.series_history import Alarms
from components.tasks.change.series_options import SeriesOptions
from components.tasks.change.series_samples import SeriesCrop, SeriesCrops
from components.tasks.change.series_statistics import channels_of, statistics
from components.tasks.seam import Batch, Sample, Samples, State
from models.statistics_network import RECEPTIVE_PX, STRIDE_PX, StatisticsNetwork

Float = NDArray[np.float32]


class Context(NamedTuple):
    """What an answer needs beside the network's."""

    stack: Stack
    valid: NDArray[np.bool_]
    looks: tuple[float, ...]


class SeriesNetwork:
    """Change where the network says so with a share above ``options.threshold``; dated as every method here."""

    def __init__(self, options: SeriesOptions) -> None:
        self.options = options
        self.channels = channels_of(options.canonical_bands)
        self.module: nn.Module = StatisticsNetwork(len(self.channels), options.width)
        self.halo_px: int | None = RECEPTIVE_PX
        self.alignment_px = STRIDE_PX
        self.looks = options.looks
        self.mean, self.deviation = np.zeros(len(self.channels)), np.ones(len(self.channels))
        self.fitted = False

    @property
    def needs_survey(self) -> bool:
        """Only where looks must be estimated."""
        return self.looks is None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the looks of the series where they are not given."""
        surveyed = copy(self)
        surveyed.looks = self._looks(self._series(scenes))
        return surveyed

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Outputs `change`, `probability`, `when`, `activity`, `events`; without a survey this is the whole scene."""
        return predict_whole(self, scenes)

    def encode(self, scenes: Mapping[str, Value]) -> tuple[tuple[Float, ...], Context]:
        """The standardised statistics ``(channel, row, col)``, and what `decode` needs."""
        stack = self._series(scenes)
        looks = self._looks(stack)
        told, valid = statistics(stack, looks)
        return (self._standardised(told),), Context(stack, valid, looks)

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """Probability of change (B, 1, rows, cols)."""
        said: Tensor = torch.sigmoid(self.module(arguments[0]))
        return said

    def decode(self, context: Context, said: NDArray[np.float32]) -> Outputs:
        """Change, probability, dates and events of a tile."""
        changed = context.valid & (said[0] >= self.options.threshold)
        alarms = Alarms(context.valid, changed, said[0])
        history = replace(self.options.history, season=None)  # the network knows what a yearly curve explains
        return history.told(context.stack, alarms, context.looks)

    def prepared_for(self, train: Samples) -> Self:
        """The network with means and deviations of the statistics over the training places.

        Raises:
            NotEnoughData: if no training pixel has enough dates.
        """
        whole = train.whole if isinstance(train, SeriesCrops) else train
        found = [self._told(whole[index]) for index in range(len(whole))]
        pixels = np.concatenate([told[:, valid] for told, valid in found], axis=1).astype(np.float64)
        if not pixels.size:
            raise NotEnoughData("no training pixel has enough dates; look at the run's places")
        ready = copy(self)
        ready.mean, ready.deviation = pixels.mean(axis=1), np.maximum(pixels.std(axis=1), 1e-6)
        ready.fitted = True
        return ready

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Channels with their means and deviations."""
        if not self.fitted:
            return {}
        return {
            "channels": list(self.channels),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """``statistics`` (B, C, H, W) and ``truth`` (B, H, W), codes with 255 for unknown or too few dates."""
        told, truth = [], []
        for sample in samples:
            found, valid = self._told(sample)
            target = sample.targets[CHANGE]
            assert isinstance(target, Scene), "the truth of a series is a scene"
            told.append(self._standardised(found))
            truth.append(np.where(valid, target.array[0], NODATA_CODE))
        return {
            "statistics": torch.from_numpy(np.stack(told)),
            "truth": torch.from_numpy(np.stack(truth).astype(np.int64)),
        }

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The negative log-likelihood of known pixels, none weighed more than others."""
        logits, truth = module(batch["statistics"])[:, 0].float(), batch["truth"]
        known = (truth != NODATA_CODE).float()
        each = F.binary_cross_entropy_with_logits(logits, truth.clamp(max=1).float(), reduction="none")
        return {"likelihood": (each * known).sum() / known.sum().clamp_min(1)}

    def restored(self, state: State, preprocessing: Mapping[str, Any]) -> Self:
        """The network with learnt numbers.

        Raises:
            VersionCorrupt: if a name, shape, dtype or channel is not the network's.
        """
        if list(preprocessing.get("channels", ())) != list(self.channels):
            raise VersionCorrupt("statistics-network", f"its channels are {preprocessing.get('channels')}")
        ready = copy(self)
        ready.mean, ready.deviation = (np.asarray(preprocessing[name], float) for name in ("mean", "deviation"))
        ready.fitted = True
        load_module(ready.module, state, "change statistics-network")
        return ready

    def _told(self, sample: Sample) -> tuple[Float, NDArray[np.bool_]]:
        if isinstance(sample, SeriesCrop):
            return sample.told, sample.valid
        stack = self._series(sample.inputs)
        return statistics(stack, self._looks(stack))

    def _looks(self, stack: Stack) -> tuple[float, ...]:
        require_dates(stack)
        return self.looks or estimated_looks(moments(stack))

    def _series(self, scenes: Mapping[str, Value]) -> Stack:
        return series_of(scenes, self.options.canonical_bands)

    def _standardised(self, told: Float) -> Float:
        mean, deviation = (each[:, None, None] for each in (self.mean, self.deviation))
        return np.ascontiguousarray((told - mean) / deviation, dtype=np.float32)
