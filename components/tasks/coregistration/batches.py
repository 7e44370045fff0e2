"""From training crops to the tensors of a batch."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from components.raster.scene import Scene
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import FLOW, MOVING, REFERENCE, sensed
from components.tasks.coregistration.radiometry import randomised
from components.tasks.coregistration.views import LOG_DB, grey, network_view
from components.tasks.seam import Batch, Sample

REFERENCE_TWIN, MOVING_TWIN = "reference_twin", "moving_twin"  # each the same ground as the other sensor sees it
Statistics = Mapping[str, NDArray[np.float32]]  # by name of the scene


@runtime_checkable
class Drawn(Protocol):
    """A training crop: it knows its whole chip's statistics and whether its scenes show one place."""

    @property
    def statistics(self) -> Statistics:
        """Those of `statistics_of` for the whole chip, by the name of each input."""
        ...

    @property
    def related(self) -> bool:
        """Whether there is a true flow at all."""
        ...


def batch_of(samples: Sequence[Sample], options: MethodOptions, *, twins: bool) -> Batch:
    """Tensors of samples of one size, as `FlowNetwork.collate` describes them; with ``twins`` where all have them."""
    names = [REFERENCE, MOVING]
    if twins and all(REFERENCE_TWIN in sample.inputs for sample in samples):
        names += [REFERENCE_TWIN, MOVING_TWIN]
    views = [np.stack([_view(sample, name, options) for sample in samples]) for name in names]
    related = [sample.related if isinstance(sample, Drawn) else True for sample in samples]
    return {
        "images": [torch.from_numpy(view) for view in views],
        "flow": torch.from_numpy(np.stack([_truth(sample) for sample in samples])),
        "related": torch.tensor(related),
    }


def _view(sample: Sample, name: str, options: MethodOptions) -> NDArray[np.float32]:
    """The view (channel, row, col) of one input, 0 where there is no pixel; of a training crop, randomised."""
    side = options.reference if name in (REFERENCE, MOVING_TWIN) else options.moving
    scene = sensed(sample.inputs, name, side)
    if not isinstance(sample, Drawn):
        return network_view(grey(scene), options)
    rng = np.random.default_rng((zlib.crc32(sample.id.encode()), zlib.crc32(name.encode())))
    view = grey(scene, sample.statistics[name])
    changed = randomised(view, rng, radar=side.unit in LOG_DB, strength=options.randomise)
    return network_view(np.where(np.isfinite(view), changed, np.nan), options)


def _truth(sample: Sample) -> NDArray[np.float32]:
    target = sample.targets[FLOW]
    assert isinstance(target, Scene), "the true flow of a pair is a scene"
    return np.asarray(target.array, dtype=np.float32)
