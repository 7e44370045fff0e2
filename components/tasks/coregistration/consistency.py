"""GeFolki with its confidence: there and back again, and how much the two images resemble each other there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from components.tasks.coregistration.filters import Flow, Image, Mask, box, expanded, ranks, reduced, sampled
from components.tasks.coregistration.gefolki import FolkiSettings, estimate

RESEMBLANCE_PX = 16  # radius of the windows of resemblance: 1089 px, so chance stays below 0.1
FULL_RESEMBLANCE = 2 / 3  # correlation of ranks from which it is no reason for doubt


def trusted(reference: Image, moving: Image, settings: FolkiSettings | None = None) -> tuple[Flow, Image]:
    """The flow ``(2, row, col)`` of `gefolki.estimate` and its confidence ``(row, col)`` in 0..1.

    Confidence is exp(-d² / 2), where d px is how far the flow there and the flow back miss each other, times the
    absolute local correlation of the rank images over 2/3, at most 1. Unrelated images agree there and back by
    chance now and then, but their ranks do not correlate; the factor 2/3 makes a correlation of 0.3, as between
    Sentinel-1 and Sentinel-2, worth about the half that is right to 1 px there.

    Raises:
        ValueError: if the shapes differ.
    """
    chosen = settings or FolkiSettings()
    there, back = estimate(reference, moving, chosen), _back(reference, moving, chosen)
    places = np.indices(reference.shape, dtype=np.float32) + there[::-1]
    returned = np.stack([sampled(part, places) for part in back])
    missed = ((there + returned) ** 2).sum(0)
    alike = resemblance(reference, moving, places, chosen.rank_radius)
    confidence = np.exp(-0.5 * missed) * np.minimum(alike / FULL_RESEMBLANCE, 1)
    return there, confidence.astype(np.float32)


def _back(reference: Image, moving: Image, settings: FolkiSettings) -> Flow:
    """The flow back, from images of half the size: a quarter of the time, and a doubt of a tenth of a pixel is none."""
    lower = replace(settings, levels=max(settings.levels - 1, 1))
    rows, cols = reference.shape
    return expanded(estimate(_half(moving), _half(reference), lower), (rows, cols))


def _half(image: Image) -> Image:
    known = np.isfinite(image)
    small, left = reduced(image, known)
    return np.where(left, small, np.nan).astype(np.float32)


def resemblance(reference: Image, moving: Image, places: Image, rank_radius: int) -> Image:
    """Absolute correlation 0..1 of the ranks around each pixel, the moving ones fetched at ``places``; 0 unseen."""
    first, known = _ranked(reference, rank_radius)
    second, there = _ranked(moving, rank_radius)
    rows, cols = there.shape
    inside = (places >= 0).all(0) & (places[0] <= rows - 1) & (places[1] <= cols - 1)
    seen = known & inside & (sampled(there.astype(np.float32), places) > 0.999)
    weight = np.maximum(box(seen.astype(np.float32), RESEMBLANCE_PX), np.float32(1e-3))
    one, two = first * seen, sampled(second, places) * seen
    mean_one, mean_two = (box(each, RESEMBLANCE_PX) / weight for each in (one, two))
    shared = box(one * two, RESEMBLANCE_PX) / weight - mean_one * mean_two
    own = [
        np.maximum(box(each * each, RESEMBLANCE_PX) / weight - mean**2, 0)
        for each, mean in ((one, mean_one), (two, mean_two))
    ]
    return np.asarray(np.abs(shared) / np.sqrt(own[0] * own[1] + 1e-6) * seen, dtype=np.float32)


def _ranked(image: Image, radius: int) -> tuple[NDArray[np.float32], Mask]:
    known = np.isfinite(image)
    return ranks(np.where(known, image, 0).astype(np.float32), known, radius).brighter, known
