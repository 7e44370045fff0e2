"""Wrong labels of four kinds, planted chip by chip so that it is known which chips a review mends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.raster.grid import Window, windows

Codes = NDArray[np.uint8]
Kind = str
KINDS = ("flips", "shift", "missing objects", "wrong date")
FLIPPED, SHIFT_PX, LEAST_CHANGED_PX = 0.15, (7, 6), 60


@dataclass(frozen=True)
class Faults:
    """Labels by place after planting, and what was planted where."""

    labels: tuple[Codes, ...]
    planted: dict[tuple[int, Window], Kind]


def plant(truth: Sequence[Codes], chip_px: int, share: float, seed: int) -> Faults:
    """Faults in ``share`` of all chips: the kinds in turn, in chips drawn at random among those that hold change.

    Only there can an object be missing or displaced; flips and the label of another date fall there, too.
    """
    rng = np.random.default_rng(seed)
    chips = [(number, window) for number, codes in enumerate(truth) for window in windows(codes.shape, chip_px)]
    changed = [(n, window) for n, window in chips if (truth[n][window.slices] > 0).sum() >= LEAST_CHANGED_PX]
    count = min(round(share * len(chips)), len(changed))
    drawn = [changed[int(at)] for at in rng.choice(len(changed), count, replace=False)]
    labels = [codes.copy() for codes in truth]
    planted = {}
    for order, (number, window) in enumerate(drawn):
        kind = KINDS[order % len(KINDS)]
        other = truth[(number + 1 + int(rng.integers(len(truth) - 1))) % len(truth)]
        labels[number][window.slices] = _wrong(truth[number][window.slices], other[window.slices], kind, rng)
        planted[number, window] = kind
    return Faults(tuple(labels), planted)


def _wrong(right: Codes, other: Codes, kind: Kind, rng: np.random.Generator) -> Codes:
    if kind == "flips":
        return np.where(rng.random(right.shape) < FLIPPED, np.where(right > 0, 0, 1), right).astype(np.uint8)
    if kind == "shift":
        return np.roll(right, SHIFT_PX, axis=(0, 1))
    return np.zeros_like(right) if kind == "missing objects" else other
