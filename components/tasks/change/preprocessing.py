"""From two scenes to the arrays that a network sees: one object in training, evaluation and service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from components.errors import NotEnoughData, VersionCorrupt
from components.tasks.change.features import Image, Spread, feature, relative, spreads
from components.tasks.change.options import MethodOptions
from components.tasks.change.pair import Pair

Arrays = tuple[NDArray[np.float32], ...]  # the arguments of a network, each (channel, row, col)
LEAST_STD = 1e-6  # a constant channel stays 0 rather than being blown up
Spreads = Mapping[str, Spread]


class View(Protocol):
    """Which channels a network sees, before they are standardised."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of each argument; arguments share their channels."""
        ...

    @property
    def whole_scene(self) -> bool:
        """Whether the channels need statistics of the whole scene."""
        ...

    def spreads(self, pair: Pair) -> Spreads:
        """Statistics of a whole scene that the channels need; empty where they need none."""
        ...

    def arrays(self, pair: Pair, spreads: Spreads) -> Arrays:
        """The arguments of the network, not finite where a date has no pixel."""
        ...


@dataclass(frozen=True)
class Dates:
    """Two arguments: the bands of either date. Both are standardised alike, so equal ground stays equal."""

    bands: tuple[str, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """The bands."""
        return self.bands

    @property
    def whole_scene(self) -> bool:
        """No."""
        return False

    def spreads(self, pair: Pair) -> Spreads:
        """None are needed."""
        return {}

    def arrays(self, pair: Pair, spreads: Spreads) -> Arrays:
        """Before and after, each (band, row, col)."""
        return tuple(np.asarray(date.array, dtype=np.float32) for date in (pair.before, pair.after))


@dataclass(frozen=True)
class Features:
    """One argument: named features of `features.py`, as they are or in deviations of their own scene."""

    absolute: tuple[str, ...]
    relative: tuple[str, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Absolute features first, then the relative ones."""
        return (*self.absolute, *(f"relative.{name}" for name in self.relative))

    @property
    def whole_scene(self) -> bool:
        """Whether there are relative features."""
        return bool(self.relative)

    def spreads(self, pair: Pair) -> Spreads:
        """Median and robust deviation of the relative features."""
        return spreads(self.relative, pair.before, pair.after)

    def arrays(self, pair: Pair, spreads: Spreads) -> Arrays:
        """All channels stacked, (channel, row, col)."""
        images: dict[str, Image] = {n: feature(n, pair.before, pair.after) for n in {*self.absolute, *self.relative}}
        scaled = [relative(images[name], spreads[name]) for name in self.relative]
        return (np.stack([*(images[name] for name in self.absolute), *scaled]),)


def view_of(options: MethodOptions) -> View:
    """What the network of these options sees."""
    if options.name == "index-unet":
        return Features(options.features.absolute, options.features.relative)
    return Dates(options.canonical_bands)


def _standardised(
    array: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32], empty: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """One new array and no other on the way: this runs for every tile, beside a network that wants all cores."""
    found: NDArray[np.float32] = np.subtract(array, mean, dtype=np.float32)
    found /= std
    np.copyto(found, np.float32(0), where=empty)
    return found


@dataclass(frozen=True)
class Standardise:
    """Mean and standard deviation of each channel over training pixels; nodata becomes the mean."""

    view: View
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def unfitted(cls, view: View) -> Self:
        """Leaves channels as they are, until `fitted`."""
        count = len(view.channels)
        return cls(view, (0.0,) * count, (1.0,) * count)

    def fitted(self, pairs: Iterable[Pair]) -> Self:
        """The same view with the statistics of the valid pixels of these whole chips.

        Raises:
            NotEnoughData: if no pixel is valid.
        """
        count, sums, squares = 0, 0.0, 0.0
        for pair in pairs:
            for array in self.view.arrays(pair, self.view.spreads(pair)):
                pixels = array[:, pair.valid].astype(np.float64)  # (channel, pixel)
                count, sums, squares = count + pixels.shape[1], sums + pixels.sum(1), squares + (pixels**2).sum(1)
        if not count:
            raise NotEnoughData("no training pixel is valid at both dates; look at the nodata of the training places")
        mean = np.asarray(sums / count)
        std = np.sqrt(np.maximum(squares / count - mean**2, LEAST_STD**2))
        return type(self)(self.view, tuple(mean.tolist()), tuple(std.tolist()))

    def __call__(self, pair: Pair, spreads: Spreads) -> Arrays:
        """The arguments of the network, each (channel, row, col), finite everywhere."""
        mean, std = (np.asarray(each, dtype=np.float32)[:, None, None] for each in (self.mean, self.std))
        empty = ~pair.valid
        return tuple(_standardised(array, mean, std, empty) for array in self.view.arrays(pair, spreads))

    def to_json(self) -> dict[str, Any]:
        """Channel names with their numbers; decimal text of a float64 is exact."""
        return {"channels": list(self.view.channels), "mean": list(self.mean), "std": list(self.std)}

    def from_json(self, found: Mapping[str, Any]) -> Self:
        """The same view with the numbers of `to_json`.

        Raises:
            VersionCorrupt: if channels or counts are not those of the view.
        """
        wanted = list(self.view.channels)
        try:
            channels, mean, std = (list(found[key]) for key in ("channels", "mean", "std"))
            numbers = tuple(float(each) for each in mean), tuple(float(each) for each in std)
        except (KeyError, TypeError, ValueError) as error:
            raise VersionCorrupt("change", f"preprocessing cannot be read: {error!r}") from error
        if channels != wanted or len(mean) != len(wanted) or len(std) != len(wanted):
            raise VersionCorrupt("change", f"preprocessing is of channels {channels}, expected {wanted}")
        return type(self)(self.view, *numbers)
