"""From training crops to the tensors of a batch."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from components.raster.scene import Scene
from components.tasks.coregistration import templates
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


def batch_of(samples: Sequence[Sample], options: MethodOptions, *, twins: bool, started: bool = False) -> Batch:
    """Tensors of samples of one size, as `FlowNetwork.collate` describes them; with ``twins`` where all have them."""
    names = [REFERENCE, MOVING]
    if twins and all(REFERENCE_TWIN in sample.inputs for sample in samples):
        names += [REFERENCE_TWIN, MOVING_TWIN]
    greys = [[_grey(sample, name, options) for sample in samples] for name in names]
    views = [np.stack([network_view(each, options) for each in one]) for one in greys]
    related = [sample.related if isinstance(sample, Drawn) else True for sample in samples]
    starts = [start_of(one, other, options) for one, other in zip(*greys[:2], strict=True)] if started else []
    return {
        "images": [torch.from_numpy(view) for view in views],
        **({"start": torch.from_numpy(np.stack(starts))} if started else {}),
        "flow": torch.from_numpy(np.stack([_truth(sample) for sample in samples])),
        "related": torch.tensor(related),
    }


def start_of(
    reference: NDArray[np.float32], moving: NDArray[np.float32], options: MethodOptions
) -> NDArray[np.float32]:
    """u, v in pixels and confidence ``(3, row, col)`` of template matching, for a network that refines them."""
    flow, confidence = templates.estimate(reference, moving, options.templates)
    return np.concatenate([flow, confidence[None]]).astype(np.float32)


def _grey(sample: Sample, name: str, options: MethodOptions) -> NDArray[np.float32]:
    """The grey image (row, col) of one input, NaN where there is no pixel; of a training crop, randomised."""
    side = options.reference if name in (REFERENCE, MOVING_TWIN) else options.moving
    scene = sensed(sample.inputs, name, side)
    if not isinstance(sample, Drawn):
        return grey(scene)
    rng = np.random.default_rng((zlib.crc32(sample.id.encode()), zlib.crc32(name.encode())))
    view = grey(scene, sample.statistics[name])
    changed = randomised(view, rng, radar=side.unit in LOG_DB, strength=options.randomise)
    return np.where(np.isfinite(view), changed, np.nan).astype(np.float32)


def _truth(sample: Sample) -> NDArray[np.float32]:
    target = sample.targets[FLOW]
    assert isinstance(target, Scene), "the true flow of a pair is a scene"
    return np.asarray(target.array, dtype=np.float32)
