"""PCA of neighbourhoods of the difference image and two clusters: Celik 2009."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from components.inference.method import Outputs
from components.raster.scene import Unit, Value
from components.tasks.change.features import Image
from components.tasks.change.pair import answer, pair_of
from components.tasks.change.vector_length import VectorLength

BLOCK_PX = 5  # Celik's h: neighbourhoods of 5 x 5 pixels
COMPONENTS = 3  # Celik's S
MOST_ROUNDS = 100  # k-means with two centres settles long before


@dataclass(frozen=True)
class Clusters:
    """Principal components of neighbourhoods, and the two cluster centres in them."""

    kernels: NDArray[np.float64]  # (component, block, block)
    offsets: NDArray[np.float64]  # (component,): of the mean neighbourhood
    centres: NDArray[np.float64]  # (2, component), the calmer one first


@dataclass(frozen=True)
class PcaKmeans:
    """Celik 2009, https://doi.org/10.1109/LGRS.2009.2025059: PCA of blocks of the difference image, then 2-means.

    Neighbourhoods of every pixel are projected onto the leading eigenvectors of disjoint blocks; of the two
    clusters the one with the greater mean difference is change. We change: the difference image of several bands
    is the length of the standardised change vector (the paper has one band), and the centres start at
    the 25th and 99th percentile of the difference, so that the result is reproducible.
    """

    bands: tuple[str, ...]
    unit: Unit
    length: VectorLength | None = None
    clusters: Clusters | None = None
    halo_px: int | None = BLOCK_PX // 2

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the scene's statistics, components and clusters."""
        pair = pair_of(scenes, self.bands, self.unit)
        length = VectorLength.of(pair)
        image = length(pair)
        kernels, offsets = _components(image, pair.valid)
        points = _projected(image, kernels, offsets)[:, pair.valid].T  # (pixel, component)
        centres = _two_means(points, image[pair.valid])
        return replace(self, length=length, clusters=Clusters(kernels, offsets, centres))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Changed where a neighbourhood belongs to the cluster of greater difference."""
        if self.length is None or self.clusters is None:
            return self.survey(scenes).predict(scenes)
        pair, found = pair_of(scenes, self.bands, self.unit), self.clusters
        points = _projected(self.length(pair), found.kernels, found.offsets)
        calm, changed = (((points - centre[:, None, None]) ** 2).sum(axis=0) for centre in found.centres)
        return answer(pair.ground, changed < calm)


def _components(image: Image, valid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernels (component, block, block) and the projection of the mean block, from disjoint blocks without gaps."""
    rows, cols = (side // BLOCK_PX * BLOCK_PX for side in image.shape)
    tall, wide = rows // BLOCK_PX, cols // BLOCK_PX
    blocks, whole = (
        each[:rows, :cols].reshape(tall, BLOCK_PX, wide, BLOCK_PX).swapaxes(1, 2).reshape(-1, BLOCK_PX**2)
        for each in (image.astype(np.float64), valid)
    )
    blocks = blocks[whole.all(axis=1)]
    if len(blocks) < 2:  # nothing to decompose: the pixel's own mean neighbourhood stands for it
        blocks = np.stack([np.zeros(BLOCK_PX**2), np.ones(BLOCK_PX**2)])
    vectors = np.linalg.eigh(np.cov(blocks, rowvar=False))[1][:, ::-1][:, :COMPONENTS]
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)  # the sign of an eigenvector means nothing
    return vectors.T.reshape(-1, BLOCK_PX, BLOCK_PX), blocks.mean(axis=0) @ vectors


def _projected(image: Image, kernels: NDArray[np.float64], offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every pixel's neighbourhood in components, (component, row, col); edges are mirrored."""
    wide = image.astype(np.float64)
    return np.stack(
        [correlate(wide, kernel, mode="mirror") - off for kernel, off in zip(kernels, offsets, strict=True)]
    )


def _two_means(points: NDArray[np.float64], difference: Image) -> NDArray[np.float64]:
    """Centres (2, component) of k-means, that of the smaller mean difference first."""
    if not len(points):
        return np.stack([np.zeros(points.shape[1]), np.full(points.shape[1], np.inf)])
    low, high = np.percentile(difference, (25, 99))
    centres = np.stack([points[difference <= low].mean(axis=0), points[difference >= high].mean(axis=0)])
    mine = np.zeros(len(points), dtype=bool)
    for _ in range(MOST_ROUNDS):
        before, mine = mine, ((points - centres[1]) ** 2).sum(axis=1) < ((points - centres[0]) ** 2).sum(axis=1)
        if (mine == before).all() or mine.all() or not mine.any():
            break
        centres = np.stack([points[~mine].mean(axis=0), points[mine].mean(axis=0)])
    if mine.any() and not mine.all() and difference[mine].mean() < difference[~mine].mean():
        return centres[::-1].copy()
    return centres
