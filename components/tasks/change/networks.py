"""Networks as methods: what they see, how they are trained, what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.inference.method import Outputs
from components.inference.tiled import predict_whole
from components.raster.scene import Scene, Value
from components.tasks.bundle import load_module
from components.tasks.change.options import MethodOptions
from components.tasks.change.pair import CHANGE, CHANGED_CODE, NODATA_CODE, Ground, Pair, answer, pair_of
from components.tasks.change.preprocessing import Arrays, Spreads, Standardise, view_of
from components.tasks.change.samples import Crop, whole_chips
from components.tasks.seam import Batch, Sample, Samples, State
from models import fully_convolutional_residual as residual
from models import fully_convolutional_siamese as siamese
from models import index_unet
from models.committee import Committee

CLASS_COUNT = 2
DICE_SMOOTHING_PX = 20.0  # crops without change ask for no change, without dividing by nothing


class Family(NamedTuple):
    """A network: how it is made from a number of channels, how far it sees, what its tiles align to."""

    make: Callable[[int, int], nn.Module]
    receptive_px: int
    stride_px: int


PAIR_FAMILIES = {
    "fc-ef": Family(siamese.FCEF, siamese.RECEPTIVE_PX, siamese.STRIDE_PX),
    "fc-siam-conc": Family(siamese.FCSiamConc, siamese.RECEPTIVE_PX, siamese.STRIDE_PX),
    "fc-siam-diff": Family(siamese.FCSiamDiff, siamese.RECEPTIVE_PX, siamese.STRIDE_PX),
    "fc-ef-res": Family(residual.FCEFRes, residual.RECEPTIVE_PX, residual.STRIDE_PX),
}


def network_of(options: MethodOptions) -> ChangeNetwork:
    """The untrained network that the options name."""
    if options.name in PAIR_FAMILIES:
        return ChangeNetwork(options, PAIR_FAMILIES[options.name])
    make = partial(index_unet.IndexUNet, width=options.width)
    return ChangeNetwork(options, Family(make, index_unet.RECEPTIVE_PX, index_unet.STRIDE_PX))


class ChangeNetwork:
    """A network that answers log-probabilities of unchanged and changed; or several, averaged.

    ``halo_px`` is its receptive field: answers with that context equal those of the whole scene, provided tiles
    start on multiples of ``alignment_px``, as pooling windows do.
    """

    def __init__(self, options: MethodOptions, family: Family) -> None:
        view = view_of(options)
        self.options = options
        self.module = Committee(partial(family.make, len(view.channels), CLASS_COUNT), options.members)
        self.halo_px: int | None = family.receptive_px
        self.alignment_px = family.stride_px
        self.standardise = Standardise.unfitted(view)
        self.class_weights = torch.ones(CLASS_COUNT)
        self.spreads: Spreads | None = None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """The network with the statistics of the whole scene that its features need."""
        surveyed = copy(self)
        surveyed.spreads = self.standardise.view.spreads(self._pair(scenes))
        return surveyed

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Change map and probability; without a `survey` before, these scenes count as the whole scene."""
        return predict_whole(self, scenes)

    def encode(self, scenes: Mapping[str, Value]) -> tuple[Arrays, Ground]:
        """The arguments of the network, grown to whole multiples of its stride, and the ground for `decode`.

        A scene smaller than the stride can then be pooled, and windows stay aligned when they are flipped.
        """
        pair = self._pair(scenes)
        spreads = self.standardise.view.spreads(pair) if self.spreads is None else self.spreads
        arrays = self.standardise(pair, spreads)
        rows, cols = (-length % self.alignment_px for length in arrays[0].shape[-2:])
        if rows or cols:
            arrays = tuple(np.pad(array, [(0, 0), (0, rows), (0, cols)], mode="edge") for array in arrays)
        return arrays, pair.ground

    def compute(self, arguments: tuple[Tensor, ...]) -> Tensor:
        """Probability of change (B, 1, rows, cols), averaged over members and, if asked, turns and flips."""
        turns = [(turn, flip) for turn in range(4) for flip in (False, True)] if self.options.flips else [(0, False)]
        shares = [self._turned(arguments, turn, flip) for turn, flip in turns]
        return torch.stack(shares).mean(0)[:, None]

    def decode(self, context: Ground, said: NDArray[np.float32]) -> Outputs:
        """Change map and probability of a tile."""
        rows, cols = context.grid.shape
        probability = said[0, :rows, :cols]
        return answer(context, probability >= self.options.threshold, probability)

    def prepared_for(self, train: Samples) -> Self:
        """The network with statistics and class weights of the training pixels.

        Weights are those of Daudt et al. 2018: w0 = f 2 p and w1 = 2 (1 - p) for a share p of changed pixels;
        f is the option ``false_alarm_weight``.

        Raises:
            NotEnoughData: if no training pixel is valid.
        """
        ready = copy(self)
        whole = whole_chips(train)
        chips = [whole[index] for index in range(len(whole))]
        ready.standardise = self.standardise.fitted(self._shown(self._pair(chip.inputs) for chip in chips))
        truth = np.concatenate([_truth(chip).ravel() for chip in chips])
        changed, seen = int((truth == CHANGED_CODE).sum()), int((truth != NODATA_CODE).sum())
        share = changed / max(seen, 1)
        if 0 < share < 1:
            ready.class_weights = torch.tensor([self.options.false_alarm_weight * 2 * share, 2 * (1 - share)])
        return ready

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Channels with their means and standard deviations."""
        return self.standardise.to_json()

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """``inputs``: the network's arguments, each (B, C, H, W); ``truth``: codes (B, H, W) with 255 for unknown."""
        seen = [self._arrays(sample) for sample in samples]
        arguments = [torch.from_numpy(np.stack(arrays)) for arrays in zip(*seen, strict=True)]
        return {"inputs": arguments, "truth": torch.from_numpy(np.stack([_truth(sample) for sample in samples])).long()}

    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """The class-weighted negative log-likelihood and, where asked for, the Dice loss of the change class."""
        each = module(*batch["inputs"]).float()  # (member, B, classes, H, W)
        logs, truth = each.flatten(0, 1), batch["truth"].repeat(len(each), 1, 1)  # (member * B, ...)
        known = truth != NODATA_CODE
        weights = self.class_weights.to(logs.device)[truth.clamp(max=1)] * known
        likelihood = -logs.gather(1, truth.clamp(max=1)[:, None])[:, 0]
        losses = {"likelihood": (weights * likelihood).sum() / weights.sum().clamp_min(1e-6)}
        if self.options.dice_weight:
            losses["dice"] = self.options.dice_weight * _dice(logs[:, CHANGED_CODE].exp(), truth, known)
        return losses

    def restored(self, state: State, preprocessing: Mapping[str, Any]) -> Self:
        """The network with learnt numbers.

        Raises:
            VersionCorrupt: if a name, shape, dtype or channel is not the network's.
        """
        ready = copy(self)
        ready.standardise = self.standardise.from_json(preprocessing)
        load_module(ready.module, state, f"change {self.options.name}")
        return ready

    def _pair(self, scenes: Mapping[str, Value]) -> Pair:
        return pair_of(scenes, self.options.canonical_bands, self.options.unit)

    def _shown(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The pairs in every order of dates that training shows."""
        for pair in pairs:
            yield pair
            if self.options.swap:
                yield pair.swapped

    def _arrays(self, sample: Sample) -> Arrays:
        pair = self._pair(sample.inputs)
        if isinstance(sample, Crop):
            return sample.jittered(self.standardise(pair, sample.spreads))
        return self.standardise(pair, self.standardise.view.spreads(pair))

    def _turned(self, arguments: Sequence[Tensor], turns: int, flip: bool) -> Tensor:
        """The probability (B, rows, cols) of the turned and flipped scene, turned back."""
        turned = [torch.rot90(each, turns, (2, 3)) if turns else each for each in arguments]
        logs = self.module(*[each.flip(3) if flip else each for each in turned])  # (member, B, classes, H, W)
        share = logs[:, :, CHANGED_CODE].exp().mean(0)
        return torch.rot90(share.flip(2) if flip else share, -turns, (1, 2))


def _truth(sample: Sample) -> NDArray[np.uint8]:
    target = sample.targets[CHANGE]
    assert isinstance(target, Scene), "the truth of a pair is a scene"
    return np.asarray(target.array[0], dtype=np.uint8)


def _dice(share: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of each image, averaged (Milletari et al. 2016, V-Net)."""
    said, changed = share * known, ((truth == CHANGED_CODE) & known).float()
    both = (said * changed).sum((1, 2))
    return 1 - ((2 * both + DICE_SMOOTHING_PX) / (said.sum((1, 2)) + changed.sum((1, 2)) + DICE_SMOOTHING_PX)).mean()
