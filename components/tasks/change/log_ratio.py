"""Two radar dates: the logarithm of their ratio with a threshold from its histogram. The oldest rivals of all.

Log-ratio: Dekker 1998 and Bazi et al. 2005; thresholds of Otsu 1979, and of Kittler and Illingworth 1986 (minimum
error of two normal distributions). The length of an unchanged log-ratio is half-normal rather than normal; the rule
`kittler-illingworth-half-normal` takes it so. Speckle is multiplicative, so its effect on a difference grows with the
brightness of the ground, and on the logarithm of a ratio it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.filters import threshold_otsu

from components.errors import UnitMismatch
from components.inference.method import Outputs
from components.raster.scene import Scene, Unit, Value
from components.tasks.change.pair import Pair, answer, pair_of

Image = NDArray[np.float32]
BINS = 512


@dataclass(frozen=True)
class LogRatio:
    """Changed where the absolute log-ratio of local means, all bands together, exceeds its scene's threshold.

    ``window_px`` (odd) is the side of the local mean that stands for despeckling; 1 is none. ``offset`` is added to
    both dates: 1 for 8-bit pictures, where 0 is a number like others.
    """

    bands: tuple[str, ...]
    unit: Unit
    rule: Literal["otsu", "kittler-illingworth", "kittler-illingworth-half-normal"] = "otsu"
    window_px: int = 5
    offset: float = 0.0
    threshold: float | None = None

    @property
    def halo_px(self) -> int | None:
        """Reach of the local mean."""
        return self.window_px // 2

    def survey(self, scenes: Mapping[str, Value]) -> Self:
        """Takes the scene's threshold; no pixel is changed where none is seen."""
        length, seen = self.length(pair_of(scenes, self.bands, self.unit))
        values = length[seen]
        if not values.size:
            return replace(self, threshold=np.inf)
        if self.rule == "otsu":
            return replace(self, threshold=float(threshold_otsu(values)))  # type: ignore[no-untyped-call]
        return replace(self, threshold=kittler_illingworth(values, half=self.rule.endswith("half-normal")))

    def predict(self, scenes: Mapping[str, Value]) -> Outputs:
        """Changed above the threshold; without a survey these scenes are the whole scene."""
        if self.threshold is None:
            return self.survey(scenes).predict(scenes)
        pair = pair_of(scenes, self.bands, self.unit)
        length, seen = self.length(pair)
        return answer(pair.ground._replace(valid=seen), length > self.threshold)

    def length(self, pair: Pair) -> tuple[Image, NDArray[np.bool_]]:
        """Root of the summed squares of the bands' log-ratios ``(row, col)``, and where both dates hold pixels."""
        before, after = (_local_mean(self._linear(scene), pair.valid, self.window_px) for scene in pair[:2])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(after) - np.log(before)
        seen = pair.valid & np.isfinite(ratio).all(axis=0)
        return np.where(seen, np.sqrt(np.square(ratio).sum(axis=0)), 0).astype(np.float32), seen

    def _linear(self, scene: Scene) -> Image:
        values = scene.array.astype(np.float32)
        if self.unit == "db":
            return np.asarray(10 ** (values / 10), dtype=np.float32)
        if self.unit not in ("amplitude", "intensity", "digital_number"):
            raise UnitMismatch("log-ratio", "amplitude, intensity, db or digital_number", self.unit)
        return values + np.float32(self.offset)


def kittler_illingworth(values: NDArray[np.float32], *, half: bool = False) -> float:
    """The threshold of least classification error if the histogram is that of two normal distributions.

    With ``half`` the lower one is half-normal around 0: a length whose signed number is normal. Where no split of the
    histogram has spread on both sides, the largest value: nothing exceeds it.
    """
    weights, edges = np.histogram(values, BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    share = weights / weights.sum()
    lower = _Side.of(share, centres, around_0=half)
    upper = _Side.of(share[::-1], centres[::-1]).reversed()
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = sum(side.share * (np.log(side.deviation) - np.log(side.share)) for side in (lower, upper))
        cost = cost - half * np.log(2) * lower.share
    least = (edges[1] - edges[0]) / 2  # one bin has no spread that a normal distribution could describe
    cost[~np.isfinite(cost) | (lower.deviation < least) | (upper.deviation < least)] = np.inf
    return float(edges[1:-1][cost.argmin()]) if np.isfinite(cost).any() else float(edges[-1])


@dataclass(frozen=True)
class _Side:
    """Share and deviation of the histogram on one side of each inner edge."""

    share: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, share: NDArray[np.float64], centres: NDArray[np.float64], *, around_0: bool = False) -> Self:
        """Of the bins up to each edge."""
        total = np.cumsum(share)[:-1]
        safe = np.maximum(total, 1e-300)
        mean = 0 if around_0 else np.cumsum(share * centres)[:-1] / safe
        variance = np.cumsum(share * centres**2)[:-1] / safe - mean**2
        return cls(total, np.sqrt(np.maximum(variance, 0)))

    def reversed(self) -> _Side:
        """The same edges counted from the other end."""
        return _Side(self.share[::-1], self.deviation[::-1])


def _local_mean(image: Image, valid: NDArray[np.bool_], window_px: int) -> Image:
    """Means over the valid pixels of a square window."""
    if window_px == 1:
        return image
    size = (1, window_px, window_px)
    weight = uniform_filter(valid.astype(np.float32), window_px, mode="constant")
    total = uniform_filter(np.where(valid, image, 0).astype(np.float32), size, mode="constant")
    return np.asarray(total / np.maximum(weight, 1e-6), dtype=np.float32)
