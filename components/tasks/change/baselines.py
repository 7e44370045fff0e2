"""Classical change detection: what a network must beat. Thresholds and clusters are those of the whole scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from components.inference.method import Method, Outputs
from components.raster.scene import Unit, Value
from components.tasks.change.features import feature
from components.tasks.change.options import ClassicalName, MethodOptions
from components.tasks.change.pair import answer, pair_of
from components.tasks.change.pca_kmeans import PcaKmeans
from components.tasks.change.vector_length import VectorLength

DNBR_BANDS = ("B08", "B12")


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
        return answer(pair.ground, np.zeros(pair.grid.shape, dtype=bool))


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
        return answer(pair.ground, self.length(pair) > self.threshold)


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
        return answer(pair.ground, feature("drop.nbr", pair.before, pair.after) > self.threshold)


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


def _otsu(values: NDArray[np.float32]) -> float:
    return float(threshold_otsu(values)) if values.size else np.inf  # type: ignore[no-untyped-call]
