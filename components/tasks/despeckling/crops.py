"""Random windows, turned and flipped: what training sees of a chip."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from affine import Affine

from components.raster.grid import Grid, Window
from components.raster.scene import Array, Scene


class Turn(NamedTuple):
    """Quarters of a turn, and whether left and right change places after it."""

    quarters: int
    flip: bool

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Self:
        """One of the eight."""
        return cls(int(rng.integers(4)), bool(rng.integers(2)))

    def placed(self, scene: Scene) -> Scene:
        """The scene with turned pixels; it has no place on the ground any more."""
        array = self._turned(scene.array)
        return scene.with_array(array, grid=_no_place((array.shape[1], array.shape[2])))

    def _turned(self, array: Array) -> Array:
        turned = np.rot90(array, self.quarters, (1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if self.flip else turned)


def crop_window(shape: tuple[int, int], size_px: int, rng: np.random.Generator) -> Window:
    """A random window of at most ``size_px`` a side."""
    row, col = (int(rng.integers(max(side - size_px, 0) + 1)) for side in shape)
    return Window(row, col, min(size_px, shape[0]), min(size_px, shape[1]))


@lru_cache(maxsize=8)
def _no_place(shape: tuple[int, int]) -> Grid:
    return Grid(None, Affine.identity(), shape)
