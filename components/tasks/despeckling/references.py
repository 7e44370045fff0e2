"""Samples whose truth is a mean over dates: a date that was left out of it, or speckle that was drawn on it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from components.raster.radiometry import in_unit, mean_intensity
from components.raster.scene import Scene, Stack
from components.simulation.speckle import Speckle, speckle
from components.tasks.chips import Chip, Prepared
from components.tasks.despeckling.crops import Turn, crop_window
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.scenes import NOISY, OTHER, REFERENCE, SERIES, STABLE
from components.tasks.despeckling.stability import stable
from components.tasks.seam import Sample

VALIDATION, TEST = 1, 2  # streams of speckle beside that of training


class LeftOut:
    """Every date of every chip, to be held against the mean of the other dates where the ground stayed the same.

    Targets: `reference`, the mean intensity of the other dates, and `stable`, 1 where date and reference differ by no
    more than speckle does (`stability.stable`), band by band. The reference has speckle too, of ``looks`` times the
    number of other dates: it flatters no filter, but no filter can come closer than that.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions) -> None:
        self.prepared, self.options = prepared, options
        self.dated = tuple((id, date) for id in ids for date in range(len(_series(prepared.chip(id)).dates)))

    def __len__(self) -> int:
        return len(self.dated)

    def __getitem__(self, index: int) -> Sample:
        chip_id, date = self.dated[index]
        chip = self.prepared.chip(chip_id)
        series = _series(chip)
        intensity = in_unit(series, "intensity")
        others = np.arange(len(series.dates)) != date
        kept = tuple(time for time, other in zip(series.dates, others, strict=True) if other)
        reference = mean_intensity(replace(intensity, array=intensity.array[others], dates=kept))
        looks, area = self.options.assumed_looks, self.options.oversampling**2
        pairs = zip(intensity.scene(date).array, reference.array, strict=True)
        same = np.stack([stable(*bands, looks, area, looks * len(kept)) for bands in pairs])
        mask = replace(reference, array=same.astype(np.float32), unit="1", nodata=None)
        name = f"{chip_id}@{series.dates[date]:%Y-%m-%d}"
        return Sample(name, chip.place, {NOISY: series.scene(date)}, {REFERENCE: reference, STABLE: mask})


class DrawnScenes:
    """Chips as scenes of drawn speckle; the mean over dates (`reference`) is the truth.

    Each ``draws`` times to test, a fifth as often to validate: that is done after every epoch.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: tuple[int, int]) -> None:
        self.prepared, self.ids, self.options, self.seed = prepared, ids, options, seed
        self.draws = options.draws if seed[1] == TEST else max(options.draws // 5, 1)

    def __len__(self) -> int:
        return len(self.ids) * self.draws

    def __getitem__(self, index: int) -> Sample:
        at, draw = divmod(index, self.draws)
        chip = self.prepared.chip(self.ids[at])
        truth = mean_intensity(in_unit(_series(chip), "intensity"))
        rng = np.random.default_rng((*self.seed, index))
        noisy = in_unit(truth.with_array(_drawn(truth.array, self.options, rng)), self.options.unit)
        return Sample(f"{chip.id}~{draw}", chip.place, {NOISY: noisy}, {REFERENCE: truth})


class DrawnCrops:
    """Windows of means over dates under drawn speckle, turned and flipped: a function of seed and index alone.

    The target `other` is the mean itself. `likelihood` is then least at E[R | noisy], `amplitude` at E[sqrt R | noisy].
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: int) -> None:
        self.prepared, self.ids, self.options, self.seed = prepared, ids, options, seed
        self._mean = lru_cache(maxsize=None)(self._mean_of)  # means of a few chips: one read each, not one a crop

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, index))
        chip_id = self.ids[int(rng.integers(len(self.ids)))]
        truth = self._mean(chip_id).crop(crop_window(self.prepared.shape(chip_id), self.options.crop_px, rng))
        turn = Turn.drawn(rng)
        gain = np.exp(self.options.gain * rng.standard_normal((len(truth.bands), 1, 1))).astype(np.float32)
        clean = turn.placed(truth.with_array(truth.array * gain))
        noisy = in_unit(clean.with_array(_drawn(clean.array, self.options, rng)), self.options.unit)
        known = replace(clean, array=np.isfinite(clean.array).astype(np.float32), unit="1", nodata=None)
        return Sample(f"{chip_id}#{index}", self.prepared.place(chip_id), {NOISY: noisy}, {OTHER: clean, STABLE: known})

    def _mean_of(self, chip_id: str) -> Scene:
        return mean_intensity(in_unit(_series(self.prepared.chip(chip_id)), "intensity"))


def _drawn(reflectivity: NDArray[np.floating], options: MethodOptions, rng: np.random.Generator) -> NDArray[np.float32]:
    seen = Speckle(options.assumed_looks, oversampling=options.oversampling)
    return np.asarray(reflectivity * speckle(rng, reflectivity.shape, seen), dtype=np.float32)


def _series(chip: Chip) -> Stack:
    series = chip.inputs[SERIES]
    assert isinstance(series, Stack), "a chip of this task holds a series"
    return series
