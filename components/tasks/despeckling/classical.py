"""Classical filters as methods: what a network must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple, Self

import numpy as np

from components.errors import NotEnoughData
from components.inference.method import Method, Outputs
from components.raster.radiometry import equivalent_looks, mean_intensity
from components.raster.scene import Scene, Value
from components.tasks.despeckling import bm3d, sar_bm3d
from components.tasks.despeckling.local import LEE_PX, REFINED_LEE_HALO_PX, boxcar, enhanced_lee, lee, refined_lee
from components.tasks.despeckling.options import ClassicalName, MethodOptions
from components.tasks.despeckling.scenes import answer, noisy_of, series_of
from components.tasks.despeckling.windows import Image


class Filter(NamedTuple):
    """A filter of one intensity image: what it does given the looks, how far it sees, whether it needs the looks."""

    apply: Callable[[Image, float], Image]
    halo_px: int
    needs_looks: bool = True


FILTERS: Mapping[str, Filter] = {
    "unfiltered": Filter(lambda intensity, looks: intensity, 0, False),
    "boxcar": Filter(lambda intensity, looks: boxcar(intensity), LEE_PX // 2, False),
    "lee": Filter(lee, LEE_PX // 2),
    "enhanced-lee": Filter(enhanced_lee, LEE_PX // 2),
    "refined-lee": Filter(refined_lee, REFINED_LEE_HALO_PX),
    "bm3d": Filter(bm3d.homomorphic_bm3d, bm3d.HALO_PX),
    "sar-bm3d": Filter(sar_bm3d.sar_bm3d, sar_bm3d.HALO_PX),
}


@dataclass(frozen=True)
class SceneFilter:
    """A filter applied to each band of a scene.

    The looks are those of the options, or the median over bands of what the whole scene's homogeneous parts say.
    """

    options: MethodOptions
    filter: Filter
    looks: float | None = None

    @property
    def halo_px(self) -> int | None:
        """How far away a pixel may be that counts."""
        return self.filter.halo_px * self.options.spacing_px

    @property
    def needs_survey(self) -> bool:
        """Only unknown looks ask for a pass over the scene."""
        return self.filter.needs_looks and self.options.looks is None

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """The filter with the scene's equivalent number of looks.

        Raises:
            NotEnoughData: if the scene is too small to tell, or holds no window without nodata.
        """
        if not self.needs_survey:
            return self
        return replace(self, looks=_looks_of(noisy_of(scenes, self.options)))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Filtered intensity and ratio; without a survey these pixels count as the whole scene."""
        noisy = noisy_of(scenes, self.options)
        looks = self.options.looks or self.looks
        if looks is None:
            looks = _looks_of(noisy) if self.filter.needs_looks else 1.0
        return answer(noisy, np.stack([self._filtered(band, looks) for band in noisy.array]))

    def _filtered(self, intensity: Image, looks: float) -> Image:
        """The image, filtered as interleaved images whose pixels lie ``spacing_px`` apart: their speckle is whiter."""
        spacing, filtered = self.options.spacing_px, np.empty_like(intensity)
        for row in range(min(spacing, intensity.shape[0])):
            for col in range(min(spacing, intensity.shape[1])):
                every = np.s_[row::spacing, col::spacing]
                filtered[every] = self.filter.apply(intensity[every], looks)
        return filtered


@dataclass(frozen=True)
class TemporalMultilook:
    """The mean over the dates of a stack: the reference that needs no neighbour. The ratio is that of the last date."""

    options: MethodOptions
    halo_px: int | None = 0
    needs_survey: bool = False

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Nothing to learn from the stack."""
        return self

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """The mean intensity, where the last date holds a pixel."""
        stack = series_of(scenes, self.options)
        last = stack.scene(len(stack.dates) - 1)
        return answer(last, mean_intensity(stack).array)


def classical(name: ClassicalName, options: MethodOptions) -> Method:
    """The filter of that name for the bands of a run."""
    return TemporalMultilook(options) if name == "temporal-multilook" else SceneFilter(options, FILTERS[name])


def _looks_of(noisy: Scene) -> float:
    if not np.isfinite(noisy.array).any():
        return 1.0  # nothing will be filtered
    found = [looks for looks in equivalent_looks(noisy).values() if looks is not None]
    if not found:
        raise NotEnoughData("the scene is too small or too full of holes to estimate its looks; give method.looks")
    return float(median(found))
