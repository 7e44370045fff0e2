"""The summary table of a dataset of labelled images: one image and one class map a source (land cover, floods)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.annotation.agreement import lone_fraction
from components.annotation.bias import shift_columns, with_bias
from components.annotation.digest import digest_of
from components.annotation.registration import Bool, Float, outlines
from components.annotation.rules import TableParams
from components.annotation.separability import beside_outlines, discriminants, least_separation
from components.annotation.spread import over_sources
from components.annotation.table import overlap
from components.annotation.values import value_columns, with_scale
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.io import read_scene
from components.raster.scene import Scene

Codes = NDArray[np.integer]

MOST_PX = 1500  # of a class; means and covariances need no more


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
        "image_digest": digest_of(image),
        "label_digest": digest_of(label),
        **value_columns({"image": image}),
    }
    if not same_grid:  # pixels of different grids cannot be compared: the rest stays null
        return [whole]
    return [{**whole, **_measures(image, label), **_shift(image, label)}, *_chips(source, image, label, params)]


def _chips(source: Source, image: Scene, label: Scene, params: TableParams) -> Iterator[dict[str, Any]]:
    windows = tuple(image.grid.tiles(params.window_px))
    if len(windows) == 1:  # the scene is its own chip
        return
    for window in windows:
        about = {"level": "chip", "id": f"{source.id}@{window.row},{window.col}", "scene": source.id}
        yield {**about, "place": source.place, **_measures(image.crop(window), label.crop(window))}


def _measures(image: Scene, label: Scene) -> dict[str, Any]:
    codes, labelled, seen = label.array[0], label.valid, image.valid
    counts = dict(zip(*(each.tolist() for each in np.unique(codes[labelled], return_counts=True)), strict=True))
    names = {each.code: each.name for each in label.classes}
    total = int(labelled.sum())
    shares = {f"share_{_slug(name)}": counts.get(code, 0) / total if total else None for code, name in names.items()}
    return {
        "valid_fraction": float(seen.mean()),
        "labelled_fraction": float(labelled.mean()),
        "labelled_px": total,
        "labelled_unseen_fraction": float((labelled & ~seen).sum()) / total if total else None,
        "unknown_codes": len(set(counts) - set(names)),
        "classes": len(counts) if total else None,
        "lone_fraction": lone_fraction(codes),
        **shares,
        **_separability(image, codes, labelled & seen, names),
    }


def _separability(image: Scene, codes: Codes, usable: Bool, names: dict[int, str]) -> dict[str, Any]:
    """How well the image tells the classes apart: everywhere, and in strips beside the outlines."""
    whole = least_separation(*_sample(image.array, codes, usable))
    beside = least_separation(*_sample(image.array, codes, usable & beside_outlines(outlines(codes, usable))))
    return {
        "separability": whole.auc if whole else None,
        "hardest_pair": " and ".join(names.get(code, str(code)) for code in whole.pair) if whole else None,
        "edge_separability": beside.auc if beside else None,
    }


def _shift(image: Scene, label: Scene) -> dict[str, float | None]:
    """The label's shift against the sums of bands that set its classes apart."""
    codes, usable = label.array[0], label.valid & image.valid
    pixels, theirs = _sample(image.array, codes, usable)
    weights = discriminants(pixels, theirs)
    flat = np.nan_to_num(image.array.reshape(len(image.bands), -1)).astype(np.float32, copy=False)
    evidence: Float = (weights.astype(np.float32) @ flat).reshape(len(weights), *codes.shape)
    return shift_columns(codes, label.valid, evidence, image.valid, image.grid)


def _sample(array: NDArray[Any], codes: Codes, usable: Bool) -> tuple[NDArray[np.float64], Codes]:
    """Pixels ``(band, pixel)`` and their codes, at most 1,500 of a class, evenly spread over it."""
    flat, found = codes.ravel(), np.unique(codes[usable])
    inside = usable.ravel()
    at = [np.flatnonzero(inside & (flat == code)) for code in found]
    chosen = np.concatenate([each[:: -(-each.size // MOST_PX)] for each in at]) if at else np.zeros(0, np.intp)
    return array.reshape(len(array), -1)[:, chosen].astype(np.float64), flat[chosen]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
