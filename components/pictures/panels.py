"""From scenes to images (row, col, 3) in 0..1: stretched bands, class colours, hits and misses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.pictures.picture import Colour
from components.raster.scene import Class, Scene

Image = NDArray[np.float32]
Limits = Sequence[tuple[float, float]]

UNSEEN: Colour = (190, 190, 190)
# Wong 2011, Points of view: Color blindness, https://doi.org/10.1038/nmeth.1618: told apart by all common forms.
HIT: Colour = (0, 114, 178)
FALSE_ALARM: Colour = (230, 159, 0)
MISS: Colour = (204, 51, 119)
NOTHING: Colour = (245, 245, 245)
CONFUSION_LEGEND = {
    "found": HIT,
    "false alarm": FALSE_ALARM,
    "missed": MISS,
    "unchanged": NOTHING,
    "no data": UNSEEN,
}
_LOW, _HIGH = 2.0, 98.0  # percentiles: clouds and shadows outside them may saturate


def stretch_limits(scene: Scene, bands: Sequence[str]) -> Limits:
    """Darkest and brightest value to show of each band: 2nd and 98th percentile of the valid pixels.

    Raises:
        BandMismatch: if a band is missing.
    """
    chosen = scene.select(bands)
    valid = chosen.valid
    if not valid.any():
        return [(0.0, 1.0)] * len(bands)
    low, high = np.percentile(chosen.array[:, valid].astype(np.float64), (_LOW, _HIGH), axis=1)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def stretch(scene: Scene, bands: Sequence[str], limits: Limits | None = None) -> Image:
    """Three bands as red, green, blue (one band as grey), stretched to 0..1; unseen pixels are light grey.

    ``limits`` of another scene make two dates comparable; None takes those of `stretch_limits`.

    Raises:
        BandMismatch: if a band is missing.
        ValueError: if there are neither one nor three bands.
    """
    if len(bands) not in (1, 3):
        raise ValueError(f"a picture has one band or three, not {len(bands)}")
    chosen = scene.select(bands)
    low, high = np.array(limits or stretch_limits(scene, bands), np.float32).T[:, :, None, None]
    span = np.where(high > low, high - low, 1)
    with np.errstate(invalid="ignore"):  # unseen pixels are painted over below
        shown = np.clip((chosen.array.astype(np.float32) - low) / span, 0, 1)
    image = np.repeat(shown, 3, axis=0) if len(bands) == 1 else shown
    return _painted(np.moveaxis(image, 0, -1), ~chosen.valid, UNSEEN)


def class_panel(scene: Scene, classes: Sequence[Class] = ()) -> Image:
    """A class map in the colours of its classes (or of ``classes``); unseen and unnamed codes are light grey."""
    image = np.empty((*scene.grid.shape, 3), np.float32)
    image[:] = np.array(UNSEEN, np.float32) / 255
    for each in classes or scene.classes:
        image = _painted(image, (scene.array[0] == each.code) & scene.valid, each.colour)
    return image


def confusion_panel(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], valid: NDArray[np.bool_] | None = None
) -> Image:
    """Hits, false alarms and misses of a binary map ``(row, col)`` in the colours of `CONFUSION_LEGEND`.

    Raises:
        ValueError: if the maps differ in shape.
    """
    if truth.shape != predicted.shape or truth.ndim != 2:
        raise ValueError(f"truth {truth.shape} and prediction {predicted.shape} must be one (row, col)")
    true, found = truth.astype(bool), predicted.astype(bool)
    image = np.empty((*truth.shape, 3), np.float32)
    image[:] = np.array(NOTHING, np.float32) / 255
    for where, colour in ((true & found, HIT), (~true & found, FALSE_ALARM), (true & ~found, MISS)):
        image = _painted(image, where, colour)
    return image if valid is None else _painted(image, ~valid, UNSEEN)


def _painted(image: Image, where: NDArray[np.bool_], colour: Colour) -> Image:
    painted: Image = np.where(where[..., None], np.array(colour, np.float32) / 255, image).astype(np.float32)
    return painted
