"""Intervals where evidence is crossed: every draw of a deformation shows the same blocks of ground.

Draws share the ground and blocks share the draw, so neither are cells independent, nor would it do to resample only one
of the two. Both are drawn with replacement, independently of each other, and a cell counts as often as its row and its
column were drawn: the pigeonhole bootstrap (Owen 2007, https://doi.org/10.1214/07-AOAS122), which rather overstates
the spread than understates it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.metrics.bootstrap import BootstrapParams, Interval


def crossed_mean(sums: ArrayLike, counts: ArrayLike, settings: BootstrapParams | None = None) -> Interval:
    """The mean ``sum of sums / sum of counts`` over cells ``(draw, block)``, with its percentile interval.

    No interval where there are fewer than two draws or two blocks; no value where nothing was counted.

    Raises:
        ValueError: if sums and counts are not of one shape (draw, block).
    """
    total, number = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if total.shape != number.shape or total.ndim != 2:
        raise ValueError(f"expected sums and counts (draw, block) of one shape, got {total.shape} and {number.shape}")
    settings = settings or BootstrapParams()
    if not number.sum():
        return Interval(None, None, None, settings.resamples, settings.resamples)
    value = float(total.sum() / number.sum())
    if min(total.shape) < 2:
        return Interval(value, None, None, 0, settings.resamples)
    rng = np.random.default_rng(settings.seed)
    draws, blocks = (_times_drawn(size, settings.resamples, rng) for size in total.shape)
    tops, bottoms = (np.einsum("rd,db,rb->r", draws, cells, blocks) for cells in (total, number))
    defined = bottoms > 0
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(tops[defined] / bottoms[defined], [tail, 1 - tail])
    return Interval(value, float(low), float(high), int((~defined).sum()), settings.resamples)


def _times_drawn(size: int, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each of ``size`` is drawn in as many draws with replacement, ``(resamples, size)``."""
    return rng.multinomial(size, np.full(size, 1 / size), resamples).astype(np.float64)
