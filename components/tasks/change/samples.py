"""From prepared chips to samples: random crops to train on, whole chips to be scored on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from affine import Affine

from components.raster.grid import Grid, Window
from components.raster.scene import Array, Scene, Value
from components.tasks.change.options import MethodOptions
from components.tasks.change.pair import AFTER, BEFORE, NODATA_CODE, pair_of
from components.tasks.change.preprocessing import Arrays, Spreads, view_of
from components.tasks.chips import Prepared, Split
from components.tasks.seam import Sample, Samples


@dataclass(frozen=True)
class Crop(Sample):
    """A turned window of a chip. It remembers the statistics of its whole chip, which a window alone cannot know.

    ``jitter`` is the deviation of random gains and offsets of its channels, drawn from ``seed``.
    """

    spreads: Spreads = field(default_factory=dict)
    jitter: float = 0.0
    seed: tuple[int, ...] = (0,)

    def jittered(self, arrays: Arrays) -> Arrays:
        """Standardised arrays ``(channel, row, col)`` with a random gain and offset for each channel."""
        if not self.jitter:
            return arrays
        rng = np.random.default_rng(self.seed)
        changed = []
        for array in arrays:
            gain, offset = self.jitter * rng.standard_normal((2, len(array), 1, 1), dtype=np.float32)
            changed.append(array * (1 + gain) + offset)
        return tuple(changed)


class WholeChips:
    """Every chip of a split as it is."""

    def __init__(self, prepared: Prepared, ids: tuple[str, ...]) -> None:
        self.prepared, self.ids = prepared, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        chip = self.prepared.chip(self.ids[index])
        return Sample(chip.id, chip.place, chip.inputs, chip.targets)


class Crops:
    """Random square windows of the chips of a split, flipped, turned and, where asked for, with swapped dates.

    A function of seed and index alone.

    Every chip is drawn equally often, so a large place does not outvote a small one. What a chip lacks to the
    size of a crop is nodata.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: int) -> None:
        self.whole = WholeChips(prepared, ids)
        self.options, self.seed = options, seed
        self._spreads: dict[tuple[str, bool], Spreads] = {}

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> Crop:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, index))
        size, prepared = self.options.crop_px, self.whole.prepared
        chip_id = self.whole.ids[int(rng.integers(len(self.whole)))]
        shape = prepared.shape(chip_id)
        row, col = (int(rng.integers(max(side - size, 0) + 1)) for side in shape)
        chip = prepared.chip(chip_id, Window(row, col, min(size, shape[0]), min(size, shape[1])))
        turns, flip, swap = int(rng.integers(4)), bool(rng.integers(2)), bool(rng.random() < self.options.swap)
        inputs, targets = (
            {name: _turned(value, size, turns, flip) for name, value in values.items()}
            for values in (chip.inputs, chip.targets)
        )
        if swap:
            inputs = {BEFORE: inputs[AFTER], AFTER: inputs[BEFORE]}
        jitter = self.options.jitter, (self.seed, index, 1)
        return Crop(f"{chip_id}#{index}", chip.place, inputs, targets, self._whole_spreads(chip_id, swap), *jitter)

    def _whole_spreads(self, chip_id: str, swap: bool) -> Spreads:
        view, key = view_of(self.options), (chip_id, swap)
        if not view.whole_scene:
            return {}
        if key not in self._spreads:
            whole = self.whole.prepared.chip(chip_id).inputs
            pair = pair_of(whole, self.options.canonical_bands, self.options.unit)
            self._spreads[key] = view.spreads(pair.swapped if swap else pair)
        return self._spreads[key]


def samples_of(prepared: Prepared, split: Split, options: MethodOptions, seed: int) -> Samples:
    """Augmented crops for `train`, whole chips for `val` and `test`."""
    ids = prepared.ids(split)
    return Crops(prepared, ids, options, seed) if split == "train" else WholeChips(prepared, ids)


def whole_chips(samples: Samples) -> Samples:
    """The chips that crops are cut from; other samples as they are."""
    return samples.whole if isinstance(samples, Crops) else samples


def _turned(value: Value, size: int, turns: int, flip: bool) -> Scene:
    """A scene filled up to ``size`` px a side with nodata, turned by quarters and mirrored."""
    assert isinstance(value, Scene), "pairs are scenes"
    array = _filled(value.array, size, NODATA_CODE if value.unit == "class" else np.nan)
    array = np.rot90(array, turns, (1, 2))
    array = np.ascontiguousarray(array[:, :, ::-1] if flip else array)
    return value.with_array(array, grid=_no_place(size))  # a turned window has no place on the ground


def _filled(array: Array, size: int, nodata: float) -> Array:
    more = [(0, 0), (0, size - array.shape[1]), (0, size - array.shape[2])]
    return np.pad(array, more, constant_values=nodata) if any(after for _, after in more) else array


@lru_cache(maxsize=8)
def _no_place(size: int) -> Grid:
    return Grid(None, Affine.identity(), (size, size))
