"""What a model thinks of chips, from the probability maps that it wrote: `<scene>.tif` in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.raster.dataset import Source
from components.raster.io import describe, read_scene
from components.review.choosing import Candidate, Look, entropy


def look_at(folder: Path, sources: Mapping[str, Source], images: tuple[str, ...]) -> Callable[[Candidate], Look]:
    """A function that says how unsure the model is of a chip, and what the chip is like.

    The maps are those of `swath predict ... --output probability`, on the grid of the first image. Uncertainty is the
    mean entropy (0..1) of the valid pixels; features are mean and spread of every band of every image, and of the
    probabilities.

    Raises:
        BadScene: if a scene has no map, it lies on another grid, or does not hold probabilities.
    """

    def look(candidate: Candidate) -> Look:
        path = folder / f"{candidate.scene}.tif"
        source = sources[candidate.scene]
        describe(path).grid.require_same(describe(source.files[images[0]]).grid, "predict on the dataset's own images")
        probability = read_scene(path, window=candidate.window).array.astype(np.float64)
        if (probability[np.isfinite(probability)] < 0).any() or (probability[np.isfinite(probability)] > 1).any():
            raise BadScene(path, "holds values outside 0..1", "write it with `--output probability`")
        unsure = entropy(probability[0] if len(probability) == 1 else probability)
        shown = [read_scene(source.files[role], window=candidate.window).array for role in images]
        features = np.concatenate([_summary(array) for array in (*shown, probability)])
        return Look(_mean(unsure), features)

    return look


def _summary(array: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean and standard deviation of each band over what was seen, 0 of nothing."""
    values = [band[np.isfinite(band)] for band in array.astype(np.float64)]
    return np.array([number for v in values for number in ((v.mean(), v.std()) if v.size else (0.0, 0.0))])


def _mean(values: NDArray[np.float64]) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if seen.size else 0.0
