"""The picture of REACTIV: hue is when a pixel was brightest, saturation how much it varied, value how bright it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from components.tasks.change.series import Float, Moments

COMPOSITE = "composite"
NODATA = 0  # pixels hold 1 to 255


@dataclass(frozen=True)
class Look:
    """How the composite is drawn.

    ``saturated_at`` deviations above stable speckle colours are full: 10 in the Earth Engine script; at the 1 of the
    Python script one stable pixel in six is coloured. ``hues`` is the part of the circle that the period takes, 0.9
    in SNAP: at 1 the first and the last date are both red. ``value``: the brightest polarisation, or their mean.
    """

    saturated_at: float = 10.0
    hues: float = 0.9
    value: Literal["max", "mean"] = "max"


@dataclass(frozen=True)
class Caps:
    """Amplitudes ``(band)`` that are shown at full brightness: mean + one deviation of the peaks over the scene."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, found: Moments) -> Self:
        """Taken from a whole scene; 1 for a band without any pixel."""
        peaks = [band[np.isfinite(band)] for band in found.peak]
        return cls(tuple(float(peak.mean() + peak.std()) if peak.size else 1.0 for peak in peaks))


def composite(
    found: Moments,
    score: NDArray[np.float32],
    channel: NDArray[np.intp],
    dates: Sequence[datetime],
    caps: Caps,
    look: Look,
) -> NDArray[np.uint8]:
    """``(3, row, col)`` in 1..255, red green blue; 0 where no date shows the pixel.

    Hue comes from the polarisation that varies most, as a share of the days of the period, not of the number of
    dates. A pixel with too few dates for a score is grey.
    """
    days = np.array([(date - dates[0]).total_seconds() for date in dates])
    share = (days / max(days[-1], 1)).astype(np.float32)
    when = np.take_along_axis(found.peak_date, channel[None], axis=0)[0]
    cap = np.asarray(caps.values, np.float32)[:, None, None]
    bright = np.clip(np.nan_to_num(found.peak) / cap, 0, 1)
    seen = (found.count > 0).any(axis=0)
    value = bright.max(axis=0) if look.value == "max" else bright.sum(axis=0) / np.maximum((found.count > 0).sum(0), 1)
    saturation = np.clip(np.nan_to_num(score) / look.saturated_at, 0, 1)
    colours = _rgb(share[when] * np.float32(look.hues), saturation, value)
    return np.where(seen, 1 + np.rint(254 * colours).astype(np.uint8), np.uint8(NODATA))


def _rgb(hue: Float, saturation: Float, value: Float) -> Float:
    """``(3, row, col)`` in 0..1 from hue, saturation and value in 0..1 (Smith 1978)."""
    sector = np.array([5, 3, 1], np.float32)[:, None, None] + 6 * hue
    sector %= 6
    return np.asarray(value * (1 - saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)), dtype=np.float32)
