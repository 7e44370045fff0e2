"""The summary table of a dataset of labelled images: one image and one class map a source (land cover, floods)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.annotation.age import age_column
from components.annotation.agreement import lone_fraction
from components.annotation.bias import shift_columns, with_bias
from components.annotation.digest import digest_of
from components.annotation.registration import Bool, Float, outlines
from components.annotation.rules import TableParams
from components.annotation.separability import Group, beside_outlines, discriminants, groups_of, least_separation
from components.annotation.spread import over_sources
from components.annotation.table import overlap
from components.annotation.values import value_columns, with_scale
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.scene import Scene

Codes = NDArray[np.integer]

MOST_PX = 1500  # of a class; means and covariances need no more
_NOTHING: Float = np.zeros((0, 0, 0), np.float32)


def summarise_labelled(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
    """One row a source, one a chip of ``params.window_px`` where a scene has several, and one of the dataset.

    Sorted; columns that are undefined are null. Two processes share the work where there are many sources.

    Raises:
        NotEnoughData: if there is no source, or a source lacks image or label.
        BadScene: if a file cannot be read.
    """
    rows = [row for found in over_sources(partial(_rows, params=params), sources) for row in found]
    if not rows:
        raise NotEnoughData("the dataset holds no source to check; ingest or simulate it first")
    return with_bias(with_scale(pd.DataFrame(rows)))


def _rows(source: Source, params: TableParams) -> list[dict[str, Any]]:
    missing = [role for role in (params.image, params.label) if role not in source.files]
    if missing:
        raise NotEnoughData(f"{source.id} has no {', '.join(missing)}; name the roles in expectations.yaml")
    image, label = (read_scene(source.files[role]) for role in (params.image, params.label))
    same_grid = image.grid.same_as(label.grid)
    whole = {
        "level": "scene",
        "id": source.id,
        "scene": source.id,
        "place": source.place,
        "crs": image.grid.crs.to_string() if image.grid.crs else "none",
        "rows": image.grid.shape[0],
        "cols": image.grid.shape[1],
        "overlap": overlap(label.grid, image.grid),
        "same_grid": same_grid,
        "unit": image.unit,
        **age_column(source, params.label),
        "image_digest": digest_of(image),
        "label_digest": digest_of(label),
        **value_columns({"image": image}),
    }
    if not same_grid:  # pixels of different grids cannot be compared: the rest stays null
        return [whole]
    view = _View.of(image, label)
    groups = groups_of(view.pixels(view.usable))
    return [
        {**whole, **_measures(view), **_separability(view, groups), **_shift(view, groups)},
        *_chips(source, view, params),
    ]


@dataclass(frozen=True)
class _View:
    """Image and label of a scene or a chip, and what is asked of them more than once."""

    image: Scene
    label: Scene
    seen: Bool
    labelled: Bool

    @classmethod
    def of(cls, image: Scene, label: Scene) -> _View:
        return cls(image, label, image.valid, label.valid)

    @property
    def codes(self) -> Codes:
        return np.asarray(self.label.array[0])

    @cached_property
    def usable(self) -> Bool:
        return self.seen & self.labelled

    @cached_property
    def counts(self) -> dict[int, int]:
        """Labelled pixels by code."""
        codes = self.codes[self.labelled]
        if codes.dtype == np.uint8:  # as nearly every class map has; counting costs a fifth of sorting
            counts = np.bincount(codes, minlength=1)
            return {int(code): int(counts[code]) for code in np.flatnonzero(counts)}
        found, counts = np.unique(codes, return_counts=True)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    @property
    def names(self) -> dict[int, str]:
        return {each.code: each.name for each in self.label.classes}

    def crop(self, window: Window) -> _View:
        rows, cols = window.slices
        return _View(self.image.crop(window), self.label.crop(window), self.seen[rows, cols], self.labelled[rows, cols])

    def pixels(self, usable: Bool) -> dict[int, NDArray[np.float64]]:
        """Pixels ``(band, pixel)`` by code, at most 1,500 of a class, evenly spread over it."""
        flat = self.image.array.reshape(len(self.image.bands), -1)
        there = np.flatnonzero(usable)
        codes = self.codes.ravel()[there]
        at = {code: there[codes == code] for code in self.counts}
        chosen = {code: each[:: -(-each.size // MOST_PX)] for code, each in at.items() if each.size}
        return {code: flat[:, each].astype(np.float64) for code, each in chosen.items()}


def _chips(source: Source, view: _View, params: TableParams) -> Iterator[dict[str, Any]]:
    windows = tuple(view.image.grid.tiles(params.window_px))
    if len(windows) == 1:  # the scene is its own chip
        return
    for window in windows:
        chip = view.crop(window)
        about = {"level": "chip", "id": f"{source.id}@{window.row},{window.col}", "scene": source.id}
        measured = {**_measures(chip), **_separability(chip, groups_of(chip.pixels(chip.usable)))}
        yield {**about, "place": source.place, **measured}


def _measures(view: _View) -> dict[str, Any]:
    total = sum(view.counts.values())
    shares = {
        _share_name(name): view.counts.get(code, 0) / total if total else None for code, name in view.names.items()
    }
    return {
        "valid_fraction": float(view.seen.mean()),
        "labelled_fraction": float(view.labelled.mean()),
        "labelled_px": total,
        "labelled_unseen_fraction": 1 - float(view.usable.sum()) / total if total else None,
        "unknown_codes": len(set(view.counts) - set(view.names)),
        "classes": len(view.counts) if total else None,
        "lone_fraction": lone_fraction(view.codes),
        **shares,
    }


def _separability(view: _View, groups: Sequence[Group]) -> dict[str, Any]:
    """How well the image tells the classes apart: everywhere, and in strips beside the outlines."""
    whole = least_separation(groups)
    strips = view.usable & beside_outlines(outlines(view.codes, view.usable))
    beside = least_separation(groups_of(view.pixels(strips)))
    return {
        "separability": whole.auc if whole else None,
        "hardest_pair": " and ".join(view.names.get(code, str(code)) for code in whole.pair) if whole else None,
        "edge_separability": beside.auc if beside else None,
    }


def _shift(view: _View, groups: Sequence[Group]) -> dict[str, float | None]:
    """The label's shift against the sums of bands that set its classes apart."""
    weights = discriminants(groups).astype(np.float32)
    flat = view.image.array.reshape(len(view.image.bands), -1).astype(np.float32, copy=False)
    evidence: Float = (weights @ flat).reshape(len(weights), *view.codes.shape) if len(weights) else _NOTHING
    return shift_columns(view.codes, view.labelled, evidence, view.seen, view.image.grid)


def _share_name(name: str) -> str:
    return "share_" + re.sub(r"[^a-z0-9]+", "_", name.lower())
