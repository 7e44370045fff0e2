"""Classical change detection: what a network must beat. Thresholds and clusters are those of the whole scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate
from skimage.filters import threshold_otsu

from components.inference.method import Method, Outputs
from components.raster.scene import Unit, Value
from components.tasks.change.features import feature
from components.tasks.change.options import ClassicalName, MethodOptions
from components.tasks.change.pair import Pair, answer, pair_of

Image = NDArray[np.float32]  # (row, col)
DNBR_BANDS = ("B08", "B12")
BLOCK_PX = 5  # Celik's h: neighbourhoods of 5 x 5 pixels
COMPONENTS = 3  # Celik's S
MOST_ROUNDS = 100  # k-means with two centres settles long before


@dataclass(frozen=True)
class AllUnchanged:
    """Says that nothing changed: the control that accuracy alone would reward."""

    bands: tuple[str, ...]
    unit: Unit
    halo_px: int | None = 0

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Nothing to learn from the scene."""
        return self

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Unchanged everywhere."""
        pair = pair_of(scenes, self.bands, self.unit)
        return answer(pair, np.zeros(pair.grid.shape, dtype=bool))


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
        return cls(change.mean(axis=1), np.maximum(change.std(axis=1), 1e-9))

    def __call__(self, pair: Pair) -> Image:
        """The length (row, col), 0 where a date has no pixel."""
        scaled = (_difference(pair) - self.mean[:, None, None]) / self.std[:, None, None]
        return np.where(pair.valid, np.sqrt((scaled**2).sum(axis=0)), 0).astype(np.float32)


@dataclass(frozen=True)
class CvaOtsu:
    """Change vector analysis (Malila 1980) with the threshold of Otsu 1979 on the whole scene."""

    bands: tuple[str, ...]
    unit: Unit
    length: VectorLength | None = None
    threshold: float = np.inf
    halo_px: int | None = 0

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the scene's statistics and threshold."""
        pair = pair_of(scenes, self.bands, self.unit)
        length = VectorLength.of(pair)
        return replace(self, length=length, threshold=_otsu(length(pair)[pair.valid]))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Changed where the vector is longer than the threshold; without a survey these are the whole scene."""
        if self.length is None:
            return self.survey(scenes).predict(scenes)
        pair = pair_of(scenes, self.bands, self.unit)
        return answer(pair, self.length(pair) > self.threshold)


@dataclass(frozen=True)
class DnbrOtsu:
    """Burned where the drop of the normalised burn ratio exceeds its Otsu threshold on the whole scene.

    Key and Benson 2006, FIREMON, section Landscape Assessment; needs near and short-wave infrared.
    """

    unit: Unit
    threshold: float | None = None
    halo_px: int | None = 0

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the scene's threshold."""
        pair = pair_of(scenes, DNBR_BANDS, self.unit)
        return replace(self, threshold=_otsu(feature("drop.nbr", pair.before, pair.after)[pair.valid]))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Changed where dNBR exceeds the threshold; without a survey these are the whole scene."""
        if self.threshold is None:
            return self.survey(scenes).predict(scenes)
        pair = pair_of(scenes, DNBR_BANDS, self.unit)
        return answer(pair, feature("drop.nbr", pair.before, pair.after) > self.threshold)


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
        return answer(pair, changed < calm)


def classical(name: ClassicalName, options: MethodOptions) -> Method:
    """The baseline of that name for the bands of a run."""
    bands, unit = options.canonical_bands, options.unit
    if name == "dnbr-otsu":
        return DnbrOtsu(unit)
    if name == "all-unchanged":
        return AllUnchanged(bands, unit)
    return CvaOtsu(bands, unit) if name == "cva-otsu" else PcaKmeans(bands, unit)


def applicable(options: MethodOptions) -> tuple[ClassicalName, ...]:
    """The baselines that the bands of a run allow."""
    burned: tuple[ClassicalName, ...] = ("dnbr-otsu",) if set(DNBR_BANDS) <= set(options.canonical_bands) else ()
    return ("cva-otsu", "pca-kmeans", *burned)


def _difference(pair: Pair) -> NDArray[np.float64]:
    return pair.after.array.astype(np.float64) - pair.before.array


def _otsu(values: NDArray[np.float32]) -> float:
    return float(threshold_otsu(values)) if values.size else np.inf  # type: ignore[no-untyped-call]


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
