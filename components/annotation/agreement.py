"""Does a label fit its image? Measures that know the two dates and the label, no model and no names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_gradient_magnitude
from scipy.stats import rankdata

from components.raster.scene import Array, Scene

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]
Evidence = Literal["nbr_drop", "magnitude"]

LEAST_PX = 50  # fewer changed or unchanged pixels say nothing
RING_PX = 4  # width of the strips on both sides of an outline
NEAR_PX, FAR_PX = 2, 6  # a label within 2 px is in place; one moved by 6 to 8 px is not
REACH_PX = 8
MOST_PX, MOST_RIM_PX = 250_000, 20_000  # larger scenes are thinned: ranks and means need no more


@dataclass(frozen=True)
class Fit:
    """How a label fits its images; None where it is undefined (one class only, nothing valid).

    Attributes:
        agreement: area under the ROC curve of the declared evidence, inside against outside the label (0..1).
        edge_agreement: the same within 4 px on both sides of the outline: far surroundings play no part.
        magnitude: the same for the magnitude of change in all bands, whatever its direction.
        outline_rank: share of displaced labels (6 to 8 px) whose outline lies on weaker edges than its own (0..1);
            edges are those of the evidence where it has a direction, else the stronger ones of both dates.
        shift_px: how far the label must move to lie best on those edges.
    """

    agreement: float | None = None
    edge_agreement: float | None = None
    magnitude: float | None = None
    outline_rank: float | None = None
    shift_px: float | None = None


def fit(before: Scene, after: Scene, changed: Bool, labelled: Bool, evidence: Evidence) -> Fit:
    """The fit of a change label ``(row, col)`` to a co-gridded pair, on pixels that are valid and labelled.

    The evidence is declared with the dataset: `nbr_drop` for fire scars (Key and Benson 2006: NBR falls where
    it burned), `magnitude` where no direction is known.
    """
    usable = before.valid & after.valid & labelled
    if min((changed & usable).sum(), (~changed & usable).sum()) < LEAST_PX:
        return Fit()
    length = magnitude(before, after, usable)
    seen = nbr_drop(before, after) if evidence == "nbr_drop" else length
    # where the evidence has a direction its own edges are the sharper witness; else those of either date
    edges = _ranked(_gradient(seen[None], usable)) if evidence == "nbr_drop" else _edges(before, after, usable)
    rank, shift = _outline(edges, changed, usable)
    return Fit(
        agreement=auc(seen, changed, usable),
        edge_agreement=auc(seen, changed, usable & strips(changed)),
        magnitude=auc(length, changed, usable),
        outline_rank=rank,
        shift_px=shift,
    )


def auc(score: Float, positive: Bool, usable: Bool) -> float | None:
    """Chance that a positive pixel scores higher than a negative one; None below 50 pixels of either."""
    values, truth = score[usable], positive[usable]
    step = max(1, truth.size // MOST_PX)
    values, truth = values[::step], truth[::step]
    inside = int(truth.sum())
    outside = truth.size - inside
    if min(inside, outside) < LEAST_PX:
        return None
    ranks = float(rankdata(values)[truth].sum())
    return (ranks - inside * (inside + 1) / 2) / (inside * outside)


def nbr_drop(before: Scene, after: Scene) -> Float:
    """Normalised burn ratio before minus after, ``(row, col)``; 0 where it is undefined.

    Raises:
        BandMismatch: if near infrared (B08) or short-wave infrared (B12) is missing.
    """
    return _nbr(before) - _nbr(after)


def _nbr(scene: Scene) -> Float:
    nir, swir = np.nan_to_num(scene.select(("B08", "B12")).array.astype(np.float64))
    total = nir + swir
    return np.asarray(np.divide(nir - swir, total, out=np.zeros_like(total), where=np.abs(total) > 0))


def magnitude(before: Scene, after: Scene, usable: Bool) -> Float:
    """Length of the change vector ``(row, col)``, each band centred and scaled by median and MAD."""
    difference = np.nan_to_num(after.array.astype(np.float64) - before.array.astype(np.float64))
    seen = difference[:, usable]
    centre = np.median(seen, axis=1)[:, None, None]
    spread = np.median(np.abs(seen - centre[..., 0]), axis=1)[:, None, None]
    return np.asarray(np.sqrt((((difference - centre) / np.maximum(spread, 1e-9)) ** 2).mean(axis=0)))


def strips(changed: Bool) -> Bool:
    """Pixels at most 5 px from the outline, without those on it, which are mixed."""
    distance = np.where(changed, distance_transform_edt(changed), distance_transform_edt(~changed))
    return np.asarray((distance > 1) & (distance <= 1 + RING_PX))


def lone_fraction(codes: NDArray[np.integer]) -> float:
    """Share of pixels ``(row, col)`` whose code none of their four neighbours has: noise, not shapes."""
    inner = codes[1:-1, 1:-1]
    if not inner.size:
        return 0.0
    neighbours = (codes[:-2, 1:-1], codes[2:, 1:-1], codes[1:-1, :-2], codes[1:-1, 2:])
    return float(np.logical_and.reduce([each != inner for each in neighbours]).mean())


def _outline(edges: Float, changed: Bool, usable: Bool) -> tuple[float | None, float | None]:
    """Rank and best shift of the label's outline on edges ``(row, col)``."""
    rim = np.argwhere((changed & ~binary_erosion(changed, border_value=1)) & usable)
    last = np.array(changed.shape) - REACH_PX - 1
    rim = rim[((rim >= REACH_PX) & (rim <= last)).all(axis=1)]
    rim = rim[:: max(1, len(rim) // MOST_RIM_PX)]
    if len(rim) < LEAST_PX:
        return None, None
    reach = range(-REACH_PX, REACH_PX + 1)
    scores = np.array([[edges[rim[:, 0] + down, rim[:, 1] + right].mean() for right in reach] for down in reach])
    distance = np.hypot(*np.meshgrid(reach, reach, indexing="ij"))
    own, far = scores[distance <= NEAR_PX].max(), scores[distance >= FAR_PX]
    rank = float((far < own).mean())
    best = np.unravel_index(int(scores.argmax()), scores.shape)
    return rank, float(distance[best])


def _edges(before: Scene, after: Scene, usable: Bool) -> Float:
    """Rank (0..1) of the stronger of the gradients of both dates, summed over bands, at 1 px."""
    strengths = [_ranked(_gradient(scene.array, usable)) for scene in (before, after)]
    return _ranked(np.maximum(*strengths))


def _gradient(bands: Array, usable: Bool) -> Float:
    total = np.zeros(usable.shape)
    for band in bands.astype(np.float64):
        values = band[usable]
        spread = float(np.subtract(*np.percentile(values, (75, 25)))) or 1.0
        filled = np.where(usable, band, np.median(values)) / spread
        total += np.asarray(gaussian_gradient_magnitude(filled, 1.0)) ** 2
    return np.where(usable, total, 0.0)


def _ranked(values: Float) -> Float:
    return np.asarray(rankdata(values) / values.size).reshape(values.shape)
