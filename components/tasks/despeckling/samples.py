"""From series to samples: pairs of dates to learn from without truth, and what is scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from components.raster.radiometry import in_unit
from components.raster.scene import Array, Scene, Stack
from components.tasks.chips import Chip, Prepared, Split
from components.tasks.despeckling.crops import Turn, crop_window
from components.tasks.despeckling.options import MethodOptions
from components.tasks.despeckling.references import TEST, VALIDATION, DrawnCrops, DrawnScenes, LeftOut
from components.tasks.despeckling.scenes import NOISY, OTHER, REFLECTIVITY, SERIES, STABLE
from components.tasks.despeckling.stability import stable
from components.tasks.seam import Sample, Samples


class LastDates:
    """The last date of every chip as the noisy scene, with what is known of the truth."""

    def __init__(self, prepared: Prepared, ids: tuple[str, ...]) -> None:
        self.prepared, self.ids = prepared, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        chip = self.prepared.chip(self.ids[index])
        series = _series(chip)
        return Sample(chip.id, chip.place, {NOISY: series.scene(len(series.dates) - 1)}, chip.targets)


class Pairs:
    """Windows of two dates of one place, turned and flipped: a function of seed and index alone.

    The target `other` is the second date; `stable` is 1 where both dates show the same ground, band by band, and 0
    where they do not: there nothing can be learnt. Dates are at most ``lag_dates`` apart, in either order. With `level`
    matched the second date is first brought to the level of the first.
    """

    def __init__(self, prepared: Prepared, ids: tuple[str, ...], options: MethodOptions, seed: int) -> None:
        self.prepared, self.ids, self.options, self.seed = prepared, ids, options, seed

    def __len__(self) -> int:
        return self.options.crops

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, index))
        chip_id = self.ids[int(rng.integers(len(self.ids)))]
        series = _series(self._window(chip_id, rng))
        one, other = self._dates(len(series.dates), rng)
        turn = Turn.drawn(rng)
        first, second = (in_unit(series.scene(date), "intensity") for date in (one, other))
        if self.options.level == "matched":
            second = second.with_array(_matched(second.array, first.array))
        looks, area = self.options.assumed_looks, self.options.oversampling**2
        same = np.stack([stable(*bands, looks, area) for bands in zip(first.array, second.array, strict=True)])
        scenes = {NOISY: series.scene(one), OTHER: second, STABLE: _mask(first, same)}
        turned = {name: turn.placed(scene) for name, scene in scenes.items()}
        noisy = turned.pop(NOISY)
        return Sample(f"{chip_id}#{index}", self.prepared.place(chip_id), {NOISY: noisy}, turned)

    def _window(self, chip_id: str, rng: np.random.Generator) -> Chip:
        return self.prepared.chip(chip_id, crop_window(self.prepared.shape(chip_id), self.options.crop_px, rng))

    def _dates(self, count: int, rng: np.random.Generator) -> tuple[int, int]:
        """Two different dates that lie near each other."""
        one = int(rng.integers(count))
        reach = self.options.lag_dates or count
        near = [date for date in range(max(one - reach, 0), min(one + reach + 1, count)) if date != one]
        return one, near[int(rng.integers(len(near)))]


def samples_of(prepared: Prepared, split: Split, options: MethodOptions, seed: int) -> Samples:
    """What a split is trained or scored on.

    `train`: pairs of dates, or drawn speckle. `val` and `test`: the last date where chips know the truth, else every
    date against the mean of the others, or drawn speckle against the mean of all.
    """
    ids = prepared.ids(split)
    if options.speckle == "drawn":
        if split == "train":
            return DrawnCrops(prepared, ids, options, seed)
        return DrawnScenes(prepared, ids, options, (seed, VALIDATION if split == "val" else TEST))
    if split == "train":
        return Pairs(prepared, ids, options, seed)
    known = all(REFLECTIVITY in prepared.chip(each).targets for each in ids)
    return LastDates(prepared, ids) if known else LeftOut(prepared, ids, options)


def _matched(array: Array, like: Array) -> Array:
    """Each band times the median ratio to ``like``: rain and wind change the level of a whole window at once.

    Without this a network learns the mean level of all dates, which the brightest ones decide.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.log(like) - np.log(array)
    known = [band[np.isfinite(band)] for band in apart]
    gains = [np.exp(np.median(band)) if band.size else 1.0 for band in known]
    return np.asarray(array * np.array(gains)[:, None, None], dtype=array.dtype)


def _series(chip: Chip) -> Stack:
    series = chip.inputs[SERIES]
    assert isinstance(series, Stack), "a chip of this task holds a series"
    return series


def _mask(like: Scene, same: NDArray[np.bool_]) -> Scene:
    return replace(like, array=same.astype(np.float32), unit="1", nodata=None)
