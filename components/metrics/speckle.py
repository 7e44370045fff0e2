"""Scores of despeckling: intensities ``(row, col)`` in, numbers out; pixels that are not finite are left out.

A filter that smears everything has a huge equivalent number of looks. So it is never given without mean and variance of
the ratio noisy / filtered, which tell whether what was taken away is speckle: mean 1, variance 1 / L.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_erosion
from skimage.metrics import structural_similarity

Domain = Literal["amplitude", "intensity", "db"]
Floats = NDArray[np.float64]
PEAK_PERCENTILE = 99.0
SSIM_WINDOW_PX = 11


@dataclass(frozen=True)
class Suppression:
    """What a filter did on an area: its looks, and whether it took away speckle and only speckle.

    ``enl``: mean^2 / variance of the filtered intensity, high where the area is homogeneous; None where it is constant.
    ``ratio_mean`` and ``ratio_variance``: of noisy / filtered, ideally 1 and 1 / L. ``pixels``: how many counted.
    """

    enl: float | None
    ratio_mean: float
    ratio_variance: float
    pixels: int

    @classmethod
    def of(cls, noisy: ArrayLike, filtered: ArrayLike, area: ArrayLike | None = None) -> Suppression | None:
        """The three of an area (everywhere for None); None where fewer than two pixels count.

        Raises:
            ValueError: if the shapes differ.
        """
        raw, smooth, seen = _pixels(noisy, filtered, area)
        seen &= smooth > 0
        if seen.sum() < 2:
            return None
        ratio = raw[seen] / smooth[seen]
        return cls(_looks(smooth[seen]), float(ratio.mean()), float(ratio.var()), int(seen.sum()))

    def values(self) -> dict[str, float | None]:
        """All by name, so that a report holds them together."""
        return asdict(self)


def mean_of_intensity(noisy: ArrayLike, filtered: ArrayLike, area: ArrayLike | None = None) -> float | None:
    """MoI, the mean filtered over the mean noisy intensity: 1 where radiometry is kept; None without pixels."""
    raw, smooth, seen = _pixels(noisy, filtered, area)
    total = float(raw[seen].sum())
    return float(smooth[seen].sum()) / total if total else None


def ratio_correlation(
    noisy: ArrayLike, filtered: ArrayLike, area: ArrayLike | None = None, reach_px: int = 3
) -> Floats | None:
    """Autocorrelation of the ratio ``(2 reach + 1, 2 reach + 1)`` by displacement, 1 in the middle; None if undefined.

    Displacements for which no two pixels count are NaN.
    """
    raw, smooth, seen = _pixels(noisy, filtered, area)
    seen &= smooth > 0
    if seen.sum() < 2:
        return None
    ratio = np.divide(raw, smooth, out=np.zeros_like(raw), where=seen)
    apart = np.where(seen, ratio - ratio[seen].mean(), 0)
    variance = float((apart[seen] ** 2).mean())
    if not variance:
        return None
    steps = range(-reach_px, reach_px + 1)
    return np.array([[_covariance(apart, seen, down, right) for right in steps] for down in steps]) / variance


def ratio_structure(
    noisy: ArrayLike, filtered: ArrayLike, area: ArrayLike | None = None, reach_px: int = 3
) -> float | None:
    """Mean absolute autocorrelation of the ratio beside the middle: 0 for white speckle, more where structure left.

    Speckle of oversampled products is correlated by itself: compare with a homogeneous area of the same scene.
    """
    table = ratio_correlation(noisy, filtered, area, reach_px)
    if table is None:
        return None
    beside = np.delete(table.ravel(), table.size // 2)
    known = beside[np.isfinite(beside)]
    return float(np.abs(known).mean()) if known.size else None


def edge_preservation(
    noisy: ArrayLike, filtered: ArrayLike, axis: Literal[0, 1], area: ArrayLike | None = None
) -> float | None:
    """EPD-ROA along an axis (0: from row to row): sum of ratios of neighbours, filtered over noisy; 1 keeps edges.

    Feng, Hou and Gong 2011, IEEE TGRS 49(7): sum |I_hat(a) / I_hat(b)| over sum |I(a) / I(b)| for neighbours a, b; give
    an ``area`` along edges. The ratio of two single-look intensities has no mean: at L = 1 the value tells little. None
    where no two neighbours count.
    """
    raw, smooth, seen = _pixels(noisy, filtered, area)
    seen &= (smooth > 0) & (raw > 0)
    one, other = (np.take(seen, range(start, seen.shape[axis] - 1 + start), axis) for start in (0, 1))
    both = one & other
    sums = [_neighbour_ratios(each, axis)[both].sum() for each in (smooth, raw)]
    return float(sums[0] / sums[1]) if sums[1] else None


def target_contrast_db(intensity: ArrayLike, target: ArrayLike, surround: ArrayLike) -> float | None:
    """TCR: brightest pixel of the target over the mean of its surround, in dB; None where either is empty or 0."""
    pixels = np.asarray(intensity, np.float64)
    seen = np.isfinite(pixels)
    bright, ground = (pixels[np.asarray(mask, bool) & seen] for mask in (target, surround))
    if not bright.size or not ground.size or bright.max() <= 0 or ground.mean() <= 0:
        return None
    return float(10 * np.log10(bright.max() / ground.mean()))


def target_contrast_loss_db(
    noisy: ArrayLike, filtered: ArrayLike, target: ArrayLike, surround: ArrayLike
) -> float | None:
    """How many dB of a target's contrast a filter took; 0 keeps it, negative values sharpen."""
    before, after = (target_contrast_db(each, target, surround) for each in (noisy, filtered))
    return None if before is None or after is None else before - after


@dataclass(frozen=True)
class Fidelity:
    """PSNR in dB and SSIM against a known reflectivity, with what they mean: the domain and the peak they refer to."""

    psnr_db: float
    ssim: float | None
    domain: Domain
    peak: float

    @classmethod
    def of(
        cls, truth: ArrayLike, filtered: ArrayLike, domain: Domain = "amplitude", area: ArrayLike | None = None
    ) -> Fidelity | None:
        """Both from intensities, converted to ``domain``; None where no pixel counts.

        The peak is the 99th percentile of the truth, less its 1st in dB; brighter pixels of both images are clipped
        to the 99th, so that a few targets do not decide. SSIM counts windows of 11 x 11 pixels without holes, with
        Gaussian weights (Wang et al. 2004), and is None where there is none.

        Raises:
            ValueError: if the shapes differ.
        """
        map = FidelityMap.of(truth, filtered, domain, area)
        return None if map is None else map.within(np.ones(map.seen.shape, bool))


@dataclass(frozen=True)
class FidelityMap:
    """What `Fidelity` is made of, pixel by pixel ``(row, col)``, so that parts of one image share its peak.

    ``error``: squared differences in the domain. ``ssim``: NaN where the window is not whole. ``seen``: what counts.
    """

    error: Floats
    ssim: Floats
    seen: NDArray[np.bool_]
    domain: Domain
    peak: float

    @classmethod
    def of(
        cls, truth: ArrayLike, filtered: ArrayLike, domain: Domain = "amplitude", area: ArrayLike | None = None
    ) -> FidelityMap | None:
        """The map of an image; None where no pixel counts.

        Raises:
            ValueError: if the shapes differ.
        """
        true, said, seen = _pixels(truth, filtered, area)
        if domain == "db":
            seen &= (true > 0) & (said > 0)
        if not seen.any():
            return None
        true, said = (_in_domain(np.where(seen, each, 1), domain) for each in (true, said))
        top = float(np.percentile(true[seen], PEAK_PERCENTILE))
        peak = top - float(np.percentile(true[seen], 100 - PEAK_PERCENTILE)) if domain == "db" else top
        true, said = np.minimum(true, top), np.minimum(said, top)
        return cls((true - said) ** 2, _ssim(true, said, seen, peak), seen, domain, peak)

    def within(self, part: NDArray[np.bool_]) -> Fidelity | None:
        """PSNR and SSIM of a part of the image; None where none of its pixels counts."""
        counting = self.seen & part
        if not counting.any():
            return None
        error = float(self.error[counting].mean())
        psnr_db = float("inf") if error == 0 else float(10 * np.log10(self.peak**2 / error))
        whole = np.isfinite(self.ssim) & part
        return Fidelity(psnr_db, float(self.ssim[whole].mean()) if whole.any() else None, self.domain, self.peak)


def _ssim(true: Floats, said: Floats, seen: NDArray[np.bool_], peak: float) -> Floats:
    """The index of each pixel, NaN where its window is not whole."""
    whole = binary_erosion(seen, np.ones((SSIM_WINDOW_PX, SSIM_WINDOW_PX)))
    if min(true.shape) < SSIM_WINDOW_PX or not whole.any() or peak <= 0:
        return np.full(true.shape, np.nan)
    _, each = structural_similarity(  # type: ignore[no-untyped-call]
        true, said, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return np.where(whole, each, np.nan)


def _in_domain(intensity: Floats, domain: Domain) -> Floats:
    if domain == "intensity":
        return intensity
    return np.sqrt(np.maximum(intensity, 0)) if domain == "amplitude" else 10 * np.log10(intensity)


def _pixels(one: ArrayLike, other: ArrayLike, area: ArrayLike | None) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    seen = np.ones(first.shape, bool) if area is None else np.array(area, dtype=bool)
    if not first.shape == second.shape == seen.shape or first.ndim != 2:
        raise ValueError(f"expected (row, col) of one shape, got {first.shape}, {second.shape} and area {seen.shape}")
    return first, second, seen & np.isfinite(first) & np.isfinite(second)


def _looks(values: Floats) -> float | None:
    variance = float(values.var())
    return float(values.mean()) ** 2 / variance if variance else None


def _covariance(apart: Floats, seen: NDArray[np.bool_], down: int, right: int) -> float:
    """Mean product of pixels that lie so far apart, over the pairs that count."""
    rows, cols = seen.shape
    if abs(down) >= rows or abs(right) >= cols:
        return float("nan")
    here = np.s_[max(-down, 0) : rows - max(down, 0), max(-right, 0) : cols - max(right, 0)]
    there = np.s_[max(down, 0) : rows - max(-down, 0), max(right, 0) : cols - max(-right, 0)]
    pairs = int((seen[here] & seen[there]).sum())
    return float((apart[here] * apart[there]).sum()) / pairs if pairs else float("nan")


def _neighbour_ratios(values: Floats, axis: int) -> Floats:
    """|value / next value| along an axis; NaN where the next is no positive number."""
    size = values.shape[axis]
    one, other = (np.take(values, range(start, size - 1 + start), axis) for start in (0, 1))
    return np.abs(np.divide(one, other, out=np.full_like(one, np.nan), where=other > 0))
