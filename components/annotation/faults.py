"""Faults of labels, images and series, as they are planted to see which rules find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter

from components.raster.scene import Scene

DOWN_PX, RIGHT_PX = 6, -5


@dataclass(frozen=True)
class Fault:
    """A fault by name, how it is planted (in image, label), and the rules of which one must find it."""

    name: str
    plant: Callable[[Scene, Scene], tuple[Scene, Scene]]
    rules: tuple[str, ...]
    both_dates: bool = False  # of a pair, both come from one archive


def _shifted(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.roll(label.array, (DOWN_PX, RIGHT_PX), axis=(1, 2)))


def _flipped(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    codes, rng = label.array.copy(), np.random.default_rng(0)
    names = [each.code for each in label.classes]
    flips = label.valid & (rng.random(codes.shape[1:]) < 0.1)
    codes[0, flips] = np.where(codes[0, flips] == names[0], names[-1], names[0])
    return image, label.with_array(codes)


def _of_elsewhere(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.ascontiguousarray(label.array[:, ::-1, ::-1]))


def _foreign(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    codes = label.array.copy()
    codes[0, :5, :5] = 77
    return image, label.with_array(codes)


def _unlabelled(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image, label.with_array(np.full_like(label.array, int(label.nodata or 255)), nodata=label.nodata or 255)


def _scaled(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    return image.with_array(image.array.astype(np.float32) * 10_000), label


def _blackened(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.copy()
    array[:, : max(8, array.shape[1] // 16)] = 0
    return image.with_array(array), label


def _marked(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.astype(np.float32)
    where = np.random.default_rng(1).random(array.shape[1:]) < 0.01
    array[:, where] = -9999
    return image.with_array(array), label


def _torn(image: Scene, label: Scene) -> tuple[Scene, Scene]:
    array = image.array.astype(np.float32)
    array[-1, : array.shape[1] // 5] = np.nan
    return image.with_array(array, nodata=np.nan), label


_PLACE = ("label-is-in-place", "label-is-in-place-on-the-ground")
_FIT = ("image-sees-the-label", "image-sees-the-edge", "outline-lies-on-edges")
_FIT_OF_CLASSES = ("image-separates-classes", "image-separates-at-the-edge")
FAULTS = (
    Fault(f"label moved by {DOWN_PX} and {RIGHT_PX} px", _shifted, _PLACE),
    Fault("label turned by 180 degrees", _of_elsewhere, (*_FIT, *_FIT_OF_CLASSES, *_PLACE)),
    Fault("one label in ten flipped", _flipped, ("label-is-shapes",)),
    Fault("unknown class", _foreign, ("known-codes",)),
    Fault("no label", _unlabelled, ("something-is-labelled",)),
    Fault("image times 10,000", _scaled, ("values-fit-the-unit", "one-scale"), both_dates=True),
    Fault("border of zeros", _blackened, ("zero-is-not-nodata",)),
    Fault("-9999 among the values", _marked, ("no-sentinel-among-values", "values-fit-the-unit")),
    Fault("a fifth of one band lost", _torn, ("bands-are-seen-together",)),
)


@dataclass(frozen=True)
class SeriesFault:
    """A fault of a radar series: how it is planted in its dates, and the rules of which one must find it."""

    name: str
    plant: Callable[[Sequence[Scene]], Sequence[Scene]]
    rules: tuple[str, ...]


def _one(change: Callable[[Scene], Scene]) -> Callable[[Sequence[Scene]], Sequence[Scene]]:
    """One date in the middle changed."""

    def planted(scenes: Sequence[Scene]) -> Sequence[Scene]:
        at = len(scenes) // 2
        return [*scenes[:at], change(scenes[at]), *scenes[at + 1 :]]

    return planted


def _aside(scene: Scene) -> Scene:
    return scene.with_array(np.roll(scene.array, (DOWN_PX, RIGHT_PX), axis=(1, 2)))


def _as_amplitude(scene: Scene) -> Scene:
    return scene.with_array(np.sqrt(scene.array))


def _as_decibels(scene: Scene) -> Scene:
    decibels = 10 * np.log10(scene.array)
    return scene.with_array(np.where(decibels > 0, decibels, np.nan))  # as ingestion does: no linear number is below 0


def _torn_off(scene: Scene) -> Scene:
    array = scene.array.copy()
    array[:, : array.shape[1] * 3 // 5] = np.nan
    return scene.with_array(array)


def _twice(scenes: Sequence[Scene]) -> Sequence[Scene]:
    return [*scenes[:-1], replace(scenes[-1], acquired=scenes[-2].acquired)]


def _smoothed(scenes: Sequence[Scene]) -> Sequence[Scene]:
    return [each.with_array(uniform_filter(each.array, (1, 7, 7))) for each in scenes]


def _with_a_gap(scenes: Sequence[Scene]) -> Sequence[Scene]:
    return [scenes[0], scenes[-1]]


SERIES_FAULTS = (
    SeriesFault(f"a date moved by {DOWN_PX} and {RIGHT_PX} px", _one(_aside), ("dates-lie-on-each-other",)),
    SeriesFault("a date as amplitude", _one(_as_amplitude), ("calibration-holds",)),
    SeriesFault("a date in decibels", _one(_as_decibels), ("something-was-seen",)),
    SeriesFault("three fifths of a date lost", _one(_torn_off), ("something-was-seen",)),
    SeriesFault("a day twice", _twice, ("dates-are-distinct",)),
    SeriesFault("all dates filtered before (7 x 7 px)", _smoothed, ("looks-are-plausible",)),
    SeriesFault("all dates but the first and last lost", _with_a_gap, ("dates-without-gaps",)),
)
