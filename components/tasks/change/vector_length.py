"""How far the bands of a pixel moved between two dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from components.tasks.change.features import Image
from components.tasks.change.pair import Pair

LEAST_STD = 1e-9  # a band that changed by the same everywhere says nothing


@dataclass(frozen=True)
class VectorLength:
    """Length of the difference of all bands, each in deviations of its own difference over the whole scene.

    Taking the mean away makes it blind to haze and season that move the whole scene.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Mean and deviation of each band's difference where both dates hold pixels."""
        change = _difference(pair)[:, pair.valid]
        if not change.size:
            return cls(np.zeros(len(change)), np.ones(len(change)))
        return cls(change.mean(axis=1), np.maximum(change.std(axis=1), LEAST_STD))

    def __call__(self, pair: Pair) -> Image:
        """The length (row, col), 0 where a date has no pixel."""
        scaled = (_difference(pair) - self.mean[:, None, None]) / self.std[:, None, None]
        return np.where(pair.valid, np.sqrt((scaled**2).sum(axis=0)), 0).astype(np.float32)


def _difference(pair: Pair) -> NDArray[np.float64]:
    return pair.after.array.astype(np.float64) - pair.before.array
