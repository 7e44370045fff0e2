"""Scores against a mean over dates, block by block: no one knows the truth of a real scene.

The reference has speckle of its own. On even ground a good filter leaves less than that, so even blocks (sea, mostly)
have no PSNR; what they tell is the ratio and the looks. Elsewhere the speckle of the reference is the same for every
filter: differences between filters are fair, levels are too low.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from components.inference.method import Outputs
from components.metrics.speckle import FidelityMap, edge_preservation, target_contrast_loss_db
from components.raster.grid import Window
from components.raster.radiometry import in_unit
from components.raster.scene import Scene
from components.tasks.despeckling.pooling import BEST_DB, DOMAIN, PRIMARY, Values, mean_of, pooled, scatter
from components.tasks.despeckling.scenes import FILTERED, NOISY, REFERENCE, STABLE
from components.tasks.despeckling.windows import Image, moments
from components.tasks.seam import Row, Rows, Sample

LOG_RMSE, EDGE, TARGET = "log_rmse_db", "edge_preservation", "target_contrast_loss_db"
LISTS = (PRIMARY, "ssim", EDGE, TARGET)
AXES: tuple[Literal[0], Literal[1]] = (0, 1)
ALL = "stable."  # sums over all stable pixels, textured or even
BLOCK_PX = 25  # the bootstrap unit: on real ground neighbours are alike for some hundred metres
EVEN_PX, EVEN_VARIATION = 7, 0.16  # windows of a reference that varies by little more than its speckle: sea, 20 dates
LEAST_STABLE, MOST_EVEN = 0.5, 0.5  # shares of a block: else it has no PSNR
EDGE_SHARE = 0.1  # of the neighbours, those that differ most in the reference
TARGET_PX, TARGET_CONTRAST = 7, 4.0  # a local maximum that is so many times brighter than the mean around it


def reference_rows(sample: Sample, output: Outputs) -> Rows:
    """One row a block of 25 px (unit `place/row-col`), with the numbers of both bands.

    PSNR in dB and SSIM of amplitudes on stable pixels (all, where the sample has no mask), in blocks at least half
    stable; the peak is that of the whole sample. Squared logarithms of filtered / reference add up to `log_rmse_db`.
    """
    noisy, said = in_unit(_scene(sample.inputs[NOISY]), "intensity"), _scene(output[FILTERED])
    reference = _scene(sample.targets[REFERENCE])
    mask = sample.targets.get(STABLE)
    stable = np.isfinite(reference.array) if mask is None else _scene(mask).array > 0
    windows = list(noisy.grid.tiles(BLOCK_PX))
    found: list[dict[str, list[float]]] = [{name: [] for name in LISTS} for _ in windows]
    sums: list[dict[str, float]] = [{} for _ in windows]
    for images in zip(noisy.array, said.array, reference.array, stable, strict=True):
        for at, (lists, added) in enumerate(_blocks(*images, windows)):
            for name, values in lists.items():
                found[at][name] += values
            sums[at] = {name: sums[at].get(name, 0.0) + value for name, value in added.items()}
    return tuple(
        Row(f"{sample.unit}/{window.row}-{window.col}", {**added, **{name: tuple(v) for name, v in lists.items()}})
        for window, added, lists in zip(windows, sums, found, strict=True)
    )


def reference_scores(rows: Sequence[Values]) -> dict[str, float | None]:
    """What only a reference can tell: error of logarithms in dB, edges, targets, and the ratio on all stable ground.

    `edge_preservation` compares neighbours along edges of the reference, filtered over reference: 1 keeps them, less
    blurs. `target_contrast_loss_db`: what bright points lost, against the reference. Ratio mean and variance on stable
    ground are ideally 1 and `stable_speckle_variance`.
    """
    error = pooled(rows, LOG_RMSE)
    ratio, speckle = (pooled(rows, f"{ALL}{name}") for name in ("ratio", "speckle"))
    return {
        LOG_RMSE: float(np.sqrt(error[1] + error[0] ** 2)) if error else None,
        EDGE: mean_of(rows, EDGE),
        TARGET: mean_of(rows, TARGET),
        "stable_ratio_mean": ratio[0] if ratio else None,
        "stable_ratio_variance": ratio[1] if ratio else None,
        "stable_speckle_variance": speckle[1] if speckle else None,
    }


def even(reference: Image) -> NDArray[np.bool_]:
    """Where a mean over dates is homogeneous but for what is left of its speckle."""
    return np.asarray(moments(reference, EVEN_PX).relative() < EVEN_VARIATION**2)


def _blocks(
    raw: Image, smooth: Image, truth: Image, stable: NDArray[np.bool_], windows: Sequence[Window]
) -> Iterator[tuple[dict[str, list[float]], dict[str, float]]]:
    """Lists and sums of each block of one band."""
    level = even(truth)
    fidelity = FidelityMap.of(truth, smooth, DOMAIN, stable)
    edges = [(axis, _edges(truth, axis)) for axis in AXES]
    points = _targets(truth)
    for window in windows:
        own = np.zeros(truth.shape, bool)
        own[window.slices] = True
        seen = own & stable & np.isfinite(raw)
        lists: dict[str, list[float]] = {}
        if fidelity and seen.sum() >= LEAST_STABLE * own.sum() and (level & own).sum() <= MOST_EVEN * own.sum():
            lists = _fidelity(fidelity, own)
            lists[EDGE] = [v for axis, along in edges if (v := edge_preservation(truth, smooth, axis, seen & along))]
            lists[TARGET] = list(_lost(truth, smooth, points & seen, stable))
        yield (
            lists,
            {
                **scatter(raw, smooth, truth, seen & level),
                **scatter(raw, smooth, truth, seen, ALL),
                **_log_error(smooth, truth, seen),
            },
        )


def _fidelity(fidelity: FidelityMap, own: NDArray[np.bool_]) -> dict[str, list[float]]:
    found = fidelity.within(own)
    if found is None:
        return {}
    return {PRIMARY: [min(found.psnr_db, BEST_DB)], "ssim": [] if found.ssim is None else [found.ssim]}


def _log_error(smooth: Image, truth: Image, seen: NDArray[np.bool_]) -> dict[str, float]:
    counting = seen & (smooth > 0) & (truth > 0)
    apart = 10 * np.log10(smooth[counting].astype(np.float64) / truth[counting])
    found = {"count": apart.size, "total": apart.sum(), "squares": (apart**2).sum()}
    return {LOG_RMSE: 0.0, **{f"{LOG_RMSE}.{key}": float(value) for key, value in found.items()}}


def _edges(truth: Image, axis: Literal[0, 1]) -> NDArray[np.bool_]:
    """Both pixels of the neighbours that differ most along an axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.diff(np.log(truth), axis=axis))
    known = apart[np.isfinite(apart)]
    steep = apart >= np.quantile(known, 1 - EDGE_SHARE) if known.size else np.zeros(apart.shape, bool)
    both = [[each if axis == along else (0, 0) for along in AXES] for each in ((0, 1), (1, 0))]
    return np.asarray(np.pad(steep, both[0]) | np.pad(steep, both[1]))


def _targets(truth: Image) -> NDArray[np.bool_]:
    """Local maxima that stand out of their surround."""
    filled = np.nan_to_num(truth, nan=0.0)
    peak = filled == maximum_filter(filled, TARGET_PX)
    return np.asarray(peak & (filled > TARGET_CONTRAST * moments(truth, TARGET_PX).mean))


def _lost(truth: Image, smooth: Image, points: NDArray[np.bool_], stable: NDArray[np.bool_]) -> Iterator[float]:
    """What each target lost, against the reference; its surround is the ring beyond one pixel."""
    reach = TARGET_PX // 2
    at = np.indices(truth.shape)
    for row, col in np.argwhere(points):
        place = np.s_[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
        apart = np.maximum(np.abs(at[0][place] - row), np.abs(at[1][place] - col))
        lost = target_contrast_loss_db(truth[place], smooth[place], apart == 0, (apart > 1) & stable[place])
        if lost is not None:
            yield lost


def _scene(value: object) -> Scene:
    assert isinstance(value, Scene), "what is scored are scenes"
    return value
