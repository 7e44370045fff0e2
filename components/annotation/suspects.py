"""Where a label and a model that never saw it contradict each other: by chip, and by connected object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, find_objects
from scipy.ndimage import label as components

from components.annotation.confident import UNSURE
from components.annotation.pixels import NO_LABEL
from components.raster.grid import Window

LEAST_PX = 9  # smaller contradictions are counted in their chip but are no object


@dataclass(frozen=True)
class Contradiction:
    """A scene's label beside what the models are confident of.

    Attributes:
        scene: id of the source.
        place: its place.
        given: class index ``(row, col)`` of the label, -1 for none.
        confident: class index that the models are confident of, -1 where they are of none.
        margin: probability of that class minus that of the label ``(row, col)``, 0..1 where they differ.
    """

    scene: str
    place: str
    given: NDArray[np.int16]
    confident: NDArray[np.int16]
    margin: NDArray[np.float32]

    @property
    def where(self) -> NDArray[np.bool_]:
        """True ``(row, col)`` where the label is contradicted."""
        sure = (self.given != NO_LABEL) & (self.confident != UNSURE)
        return np.asarray(sure & (self.given != self.confident))


@dataclass(frozen=True)
class Suspect:
    """An object that the label has and should not, lacks, or calls by another name.

    ``core_px`` counts pixels whose eight neighbours are contradicted, too: rims are mixed pixels and say little.
    ``score`` is the mean margin, 0..1; ``weight_px`` is score times core: about how many pixels a correction mends.
    """

    scene: str
    place: str
    window: Window
    given: str
    suggested: str
    pixels: int
    core_px: int
    score: float

    @property
    def weight_px(self) -> float:
        """What a correction is worth: suspects are ranked by it."""
        return self.score * self.core_px

    def as_row(self) -> dict[str, Any]:
        """The suspect as a row of a table."""
        window = {name: getattr(self.window, name) for name in ("row", "col", "rows", "cols")}
        facts = {name: getattr(self, name) for name in ("given", "suggested", "pixels", "core_px", "score")}
        return {"scene": self.scene, "place": self.place, **window, **facts, "weight_px": self.weight_px}


def suspects_in(found: Contradiction, names: tuple[str, ...]) -> Iterator[Suspect]:
    """The contradicted objects of a scene: connected pixels with one label and one suggestion."""
    where = found.where
    for given in np.unique(found.given[where]):
        for suggested in np.unique(found.confident[where & (found.given == given)]):
            one = where & (found.given == given) & (found.confident == suggested)
            yield from _objects(found, one, names[int(given)], names[int(suggested)])


def _objects(found: Contradiction, one: NDArray[np.bool_], given: str, suggested: str) -> Iterator[Suspect]:
    numbers, count = components(one)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    cores = np.bincount(numbers[_core(one)], minlength=count + 1)
    margins = np.bincount(numbers.ravel(), weights=found.margin.ravel(), minlength=count + 1)
    for number, box in enumerate(find_objects(numbers), start=1):
        if sizes[number] >= LEAST_PX:
            window = Window(*(int(n) for n in (box[0].start, box[1].start, _length(box[0]), _length(box[1]))))
            score = float(margins[number] / sizes[number])
            yield Suspect(
                found.scene, found.place, window, given, suggested, int(sizes[number]), int(cores[number]), score
            )


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(binary_erosion(mask, np.ones((3, 3)), border_value=1))


def chip_measures(found: Contradiction, window: Window) -> dict[str, float | None]:
    """Of a window: the share of its labelled pixels that is contradicted, and the core of its largest suspect."""
    rows, cols = window.slices
    part = Contradiction(
        found.scene, found.place, found.given[rows, cols], found.confident[rows, cols], found.margin[rows, cols]
    )
    labelled = int((part.given != NO_LABEL).sum())
    if not labelled:
        return {"contradicted": None, "suspect_core_px": None}
    largest = max((each.core_px for each in suspects_in(part, _any_names(part))), default=0)
    return {"contradicted": float(part.where.sum()) / labelled, "suspect_core_px": float(largest)}


def _any_names(found: Contradiction) -> tuple[str, ...]:
    most = max(int(found.given.max()), int(found.confident.max()), 0)
    return tuple(map(str, range(most + 1)))
