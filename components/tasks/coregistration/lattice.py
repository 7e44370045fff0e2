"""From scattered matches on a regular lattice to a smooth field on every pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates

from components.tasks.coregistration.filters import Flow, Image

SPREAD = 1.0  # standard deviation of the smoothing, in nodes
FAR_SPREAD = 4.0  # the same where no match is near
LEAST_SHARE = 0.2  # of the nodes around: with fewer matches the wider window takes over
LEAST_TOTAL = 1e-6  # less weight than this is none
LEAST_TILT = 0.05  # pull of slopes towards zero: matters where matches lie on one side only


class Lattice(NamedTuple):
    """Rows and columns of the nodes, in pixels, ``step`` apart."""

    rows: NDArray[Any]
    cols: NDArray[Any]
    step: int

    @classmethod
    def over(cls, shape: tuple[int, int], step: int) -> Lattice:
        """Nodes on multiples of ``step`` from half a step on, so that tiles that start on such multiples share them."""
        rows, cols = (np.arange(min(step // 2, side - 1), side, step) for side in shape)
        return cls(rows, cols, step)

    def finer(self, cell: int) -> Lattice:
        """The same nodes, that count cells, in pixels: a cell lies where the middle of its pixels does."""
        rows, cols = (at if cell == 1 else cell * at + (cell - 1) / 2 for at in (self.rows, self.cols))
        return Lattice(rows, cols, cell * self.step)


def smooth_field(
    values: NDArray[np.float32], weight: NDArray[np.float32], lattice: Lattice, shape: tuple[int, int]
) -> tuple[Flow, Image]:
    """Values ``(2, node row, node col)`` on every pixel of ``shape``, and the share of the nodes around with weight.

    Around each node a plane is fitted to its weighted neighbours (so affine fields stay what they are), with a wider
    window where few neighbours have weight; zero where there is none at all. Nodes are joined bilinearly.
    """
    share = _around((weight > 0).astype(np.float32))
    near, far = _plane(values, weight, SPREAD), _plane(values, weight, FAR_SPREAD)
    mixed = np.minimum(share / LEAST_SHARE, 1)
    nodes = (*(mixed * near + (1 - mixed) * far), share)
    sides = ((at, side) for at, side in zip((lattice.rows, lattice.cols), shape, strict=True))
    places = np.stack(np.meshgrid(*((np.arange(side) - at[0]) / lattice.step for at, side in sides), indexing="ij"))
    dense = np.stack([map_coordinates(part, places, order=1, mode="nearest") for part in nodes]).astype(np.float32)
    return dense[:2], np.clip(dense[2], 0, 1)


def _around(share: NDArray[np.float32]) -> NDArray[np.float64]:
    kernel = _moments(SPREAD)[0]
    inside = _filtered(np.ones_like(share), kernel, kernel)
    return np.asarray(_filtered(share, kernel, kernel) / inside)


def _plane(values: NDArray[np.float32], weight: NDArray[np.float32], spread: float) -> NDArray[np.float64]:
    """The value at each node of the plane through its neighbours, (2, row, col)."""
    kernels = _moments(spread)
    powers = ((0, 0), (1, 0), (0, 1))
    matrix = np.empty((*weight.shape, 3, 3))
    for i, (a, b) in enumerate(powers):
        for j, (c, d) in enumerate(powers):
            matrix[..., i, j] = _filtered(weight, kernels[a + c], kernels[b + d])
    total = matrix[..., 0, 0].copy()
    matrix[..., range(3), range(3)] += np.finfo(np.float32).tiny
    for slope in (1, 2):
        matrix[..., slope, slope] += LEAST_TILT * total + np.finfo(np.float32).eps
    sides = [[_filtered(weight * part, kernels[a], kernels[b]) for a, b in powers] for part in values]
    right = np.moveaxis(np.array(sides), (0, 1), (-1, -2))  # (row, col, 3, 2)
    found = np.moveaxis(np.linalg.solve(matrix, right)[..., 0, :], -1, 0)
    return np.where(total > LEAST_TOTAL, found, 0)


def _moments(spread: float) -> list[NDArray[np.float64]]:
    """A Gaussian over nodes, times 0, 1 and 2 powers of the distance."""
    reach = int(np.ceil(3 * spread))
    distance = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (distance / spread) ** 2)
    bell /= bell.sum()
    return [bell * distance**power for power in range(3)]


def _filtered(
    image: NDArray[np.float32], down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    rows = correlate1d(image.astype(np.float64), down, axis=0, mode="constant")
    return np.asarray(correlate1d(rows, across, axis=1, mode="constant"))
