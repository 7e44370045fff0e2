"""What a per-pixel model sees of a labelled scene: bands of all dates, their difference, and a little context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from components.annotation.noise_params import NoiseParams
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.scene import Array, Scene

NO_LABEL = -1
NEAR_PX, WIDE_PX, ROUGH_PX = 3, 9, 5  # windows of the means and of the standard deviation


@dataclass(frozen=True)
class Labelled:
    """A source as the model sees it.

    Attributes:
        source: its id and place.
        grid: of label and images.
        images: scenes with the same bands, one a date.
        classes: index ``(row, col)`` of the label's class among the dataset's names; -1 without label or without data.
    """

    source: Source
    grid: Grid
    images: tuple[Scene, ...]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """The sources whose labels can be judged, read one at a time, and the names of their classes.

    Of two dates the classes are `unchanged` and `changed`, whatever the kind; of one image those of its label.
    """

    sources: tuple[Source, ...]
    params: NoiseParams
    bands: tuple[str, ...]
    codes: tuple[int, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()  # ids of sources whose grids or bands differ: other rules tell

    def read(self, source: Source) -> Labelled:
        """A source with its pixels.

        Raises:
            BadScene: if a file cannot be read.
        """
        images = tuple(read_scene(source.files[role]).select(self.bands) for role in self.params.images)
        label = read_scene(source.files[self.params.label])
        seen = np.logical_and.reduce([image.valid for image in images]) & label.valid
        given = label.array[0].astype(np.int64)
        if len(images) > 1:
            index = (given != self.params.unchanged).astype(np.int64)
        else:
            place = np.searchsorted(self.codes, given).clip(max=len(self.codes) - 1)
            index = np.where(np.asarray(self.codes)[place] == given, place, NO_LABEL)
        return Labelled(source, label.grid, images, np.where(seen, index, NO_LABEL))


def dataset_of(sources: Sequence[Source], params: NoiseParams) -> Dataset:
    """The sources of one band set whose images and label lie on one grid.

    Raises:
        NotEnoughData: if a role is missing, or no source can be judged.
        BadScene: if a file cannot be read.
    """
    facts = {source.id: _facts(source, params) for source in sources}
    common = Counter(bands for bands, _ in facts.values() if bands).most_common(1)
    chosen = tuple(source for source in sources if common and facts[source.id][0] == common[0][0])
    if not chosen:
        raise NotEnoughData("no source has label and images of one grid, so label noise cannot be estimated")
    known = {code: name for source in chosen for code, name in facts[source.id][1].items()}
    changes = len(params.images) > 1
    codes = (0, 1) if changes else tuple(sorted(known))
    names = ("unchanged", "changed") if changes else tuple(known[code] for code in codes)
    skipped = tuple(source.id for source in sources if source not in chosen)
    return Dataset(chosen, params, common[0][0], codes, names, skipped)


def _facts(source: Source, params: NoiseParams) -> tuple[tuple[str, ...], dict[int, str]]:
    """The bands of a source (none where it cannot be judged) and the names of its codes."""
    missing = [role for role in (*params.images, params.label) if role not in source.files]
    if missing:
        raise NotEnoughData(f"{source.id} has no {', '.join(missing)}; name the roles under noise in expectations.yaml")
    images = [read_scene(source.files[role]) for role in params.images]
    label = read_scene(source.files[params.label])
    fits = all(each.grid.same_as(label.grid) and each.bands == images[0].bands for each in images)
    named = {each.code: each.name for each in label.classes}
    found = named or {int(code): str(code) for code in np.unique(label.array[0][label.valid])}
    return (images[0].bands if fits else ()), found


def features(scene: Labelled) -> Array:
    """What the model sees ``(row, col, feature)``, float32: values of each date, their difference, and its context.

    The context are means over 3 and 9 px and the standard deviation over 5 px, of the difference or of the one image.
    """
    dates = [_filled(image) for image in scene.images]
    about = dates[-1] - dates[0] if len(dates) > 1 else dates[0]
    layers = [*dates, *([about] if len(dates) > 1 else ()), *_context(about)]
    return np.moveaxis(np.concatenate(layers), 0, -1)


def _filled(image: Scene) -> Array:
    """The bands as float32, pixels without data at the band's median."""
    array = image.array.astype(np.float32)
    if not image.valid.all():
        seen = image.valid
        middle = np.median(array[:, seen], axis=1) if seen.any() else np.zeros(len(array))
        array = np.where(seen, array, middle[:, None, None]).astype(np.float32)
    return array


def _context(bands: Array) -> Iterator[Array]:
    for size in (NEAR_PX, WIDE_PX):
        yield uniform_filter(bands, (0, size, size))
    mean, square = uniform_filter(bands, (0, ROUGH_PX, ROUGH_PX)), uniform_filter(bands**2, (0, ROUGH_PX, ROUGH_PX))
    yield np.sqrt(np.maximum(square - mean**2, 0))
