"""Crops of series to train on: turned and mirrored windows of the statistics of each place, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from components.raster.grid import Grid
from components.raster.scene import Array, Scene, Value
from components.tasks.change.pair import CHANGE, NODATA_CODE
from components.tasks.change.reactiv import estimated_looks, series_of
from components.tasks.change.samples import WholeChips
from components.tasks.change.series import moments
from components.tasks.change.series_options import SeriesOptions
from components.tasks.change.series_statistics import statistics
from components.tasks.chips import Prepared
from components.tasks.seam import Sample

Float = NDArray[np.float32]


@dataclass(frozen=True)
class SeriesCrop(Sample):
    """A turned window without its series: ``told`` ``(channel, row, col)`` and ``valid`` are what statistics say."""

    told: Float = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    valid: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))


class SeriesCrops:
    """Random square windows of the chips of a split, turned and mirrored: a function of seed and index alone.

    Looks and statistics are those of whole chips. What a chip lacks to the size of a crop is not valid.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: SeriesOptions, seed: int) -> None:
        self.whole = WholeChips(prepared, ids)
        self.options, self.seed = options, seed
        self._known: dict[str, tuple[Float, NDArray[np.bool_], NDArray[np.uint8]]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> SeriesCrop:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, index))
        size = self.options.crop_px
        number = int(rng.integers(len(self.whole)))
        told, valid, truth = self._of(number)
        row, col = (int(rng.integers(max(side - size, 0) + 1)) for side in valid.shape)
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        window = slice(row, row + size), slice(col, col + size)
        told, valid, truth = (
            _turned(array[:, *window], size, fill, turns, mirror)
            for array, fill in ((told, 0), (valid[None], 0), (truth[None], NODATA_CODE))
        )
        chip_id = self.whole.ids[number]
        targets: Mapping[str, Value] = {CHANGE: Scene(truth, _no_place(size), (CHANGE,), "class", NODATA_CODE)}
        return SeriesCrop(f"{chip_id}#{index}", self.whole.prepared.place(chip_id), {}, targets, told, valid[0])

    def _of(self, number: int) -> tuple[Float, NDArray[np.bool_], NDArray[np.uint8]]:
        """Statistics, where they hold, and truth of a chip."""
        chip_id = self.whole.ids[number]
        with self._lock:
            if chip_id not in self._known:
                sample = self.whole[number]
                stack = series_of(sample.inputs, self.options.canonical_bands)
                looks = self.options.looks or estimated_looks(moments(stack))
                truth = sample.targets[CHANGE]
                assert isinstance(truth, Scene), "the truth of a series is a scene"
                self._known[chip_id] = (*statistics(stack, looks), truth.array[0])
            return self._known[chip_id]


def _turned(array: Array, size: int, fill: int, turns: int, mirror: bool) -> Array:
    """Filled up to ``size`` px a side, turned by quarters and mirrored."""
    array = np.pad(array, [(0, 0), *((0, size - n) for n in array.shape[1:])], constant_values=fill)
    array = np.rot90(array, turns, (1, 2))
    return np.ascontiguousarray(array[:, :, ::-1] if mirror else array)


@lru_cache(maxsize=4)
def _no_place(size: int) -> Grid:
    return Grid(None, Affine.identity(), (size, size))
