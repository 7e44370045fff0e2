"""The summary table of a dataset: a row a scene and a row a chip, numbers only, no pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.warp import transform_bounds

from components.annotation.age import age_column
from components.annotation.agreement import Fit, fit, lone_fraction, magnitude, nbr_drop
from components.annotation.bias import shift_columns, with_bias
from components.annotation.digest import digest_of
from components.annotation.rules import TableParams
from components.annotation.values import value_columns, with_scale
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Grid, Window
from components.raster.io import read_scene
from components.raster.scene import Scene


def summarise(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
    """One row a source, one a chip of ``params.window_px`` and one of the dataset; what is undefined is null.

    Raises:
        NotEnoughData: if there is no source.
        BadScene: if a file cannot be read, or a role that the table needs is missing.
    """
    rows = [row for source in sources for row in _rows(source, params)]
    if not rows:
        raise NotEnoughData("the dataset holds no source to check; ingest or simulate it first")
    return with_bias(with_scale(pd.DataFrame(rows)))


def _rows(source: Source, params: TableParams) -> Iterator[dict[str, Any]]:
    roles = {name: read_scene(source.files[role]) for name, role in _roles(source, params).items()}
    before, after, label = roles["before"], roles["after"], roles["label"]
    same_grid = before.grid.same_as(after.grid) and before.grid.same_as(label.grid)
    about = {"scene": source.id, "place": source.place}
    whole = {
        "level": "scene",
        "id": source.id,
        **about,
        **_facts(before, after, label),
        **age_column(source, params.label),
        "same_grid": same_grid,
    }
    if not same_grid:  # pixels of different grids cannot be compared: the rest stays null
        yield whole
        return
    yield {**whole, **_measures(before, after, label, params), **_shift(before, after, label, params)}
    for window in before.grid.tiles(params.window_px):
        cut = (before.crop(window), after.crop(window), label.crop(window))
        yield {"level": "chip", "id": _chip_id(source.id, window), **about, **_measures(*cut, params)}


def _roles(source: Source, params: TableParams) -> dict[str, str]:
    wanted = {"before": params.before, "after": params.after, "label": params.label}
    missing = [role for role in wanted.values() if role not in source.files]
    if missing:
        raise NotEnoughData(f"{source.id} has no {', '.join(missing)}; name the roles in expectations.yaml")
    return wanted


def _chip_id(scene: str, window: Window) -> str:
    return f"{scene}@{window.row},{window.col}"


def _facts(before: Scene, after: Scene, label: Scene) -> dict[str, Any]:
    """What holds for the scene as a whole."""
    grid = before.grid
    return {
        "crs": grid.crs.to_string() if grid.crs else "none",
        "rows": grid.shape[0],
        "cols": grid.shape[1],
        "pixel_size_m": float(np.mean(grid.pixel_size_m)) if grid.crs else None,
        "overlap": overlap(label.grid, grid),
        "same_bands": before.bands == after.bands,
        "same_unit": before.unit == after.unit,
        "unit": before.unit,
        "dates_differ": digest_of(before) != digest_of(after),
        **value_columns({"before": before, "after": after}),
    }


def _measures(before: Scene, after: Scene, label: Scene, params: TableParams) -> dict[str, Any]:
    """What is measured on pixels, of a scene or of a window of it."""
    codes = label.array[0]
    labelled = label.valid
    seen = before.valid & after.valid
    changed = labelled & (codes != params.unchanged)
    known = {each.code: each.name for each in label.classes}
    unknown = sorted(set(np.unique(codes[labelled]).tolist()) - set(known))
    comparable = before.bands == after.bands
    fitted = fit(before, after, changed, labelled, params.evidence) if comparable else Fit()
    return {
        "valid_fraction": float(seen.mean()),
        "labelled_fraction": float(labelled.mean()),
        "labelled_px": int(labelled.sum()),
        "unknown_codes": len(unknown),
        "classes": len(np.unique(codes[labelled])) or None,
        "changed_fraction": _share(changed, labelled),
        "changed_unseen_fraction": _share(changed & ~seen, changed),
        "lone_fraction": lone_fraction(codes),
        **_class_shares(codes, labelled, known),
        **asdict(fitted),
        "image_digest": digest_of(before, after),
        "label_digest": digest_of(label),
    }


def _shift(before: Scene, after: Scene, label: Scene, params: TableParams) -> dict[str, float | None]:
    """The label's shift on the ground, against the declared evidence of change."""
    seen = before.valid & after.valid
    if before.bands != after.bands or not seen.any():
        return {}
    changed = (label.array[0] != params.unchanged).astype(np.uint8)
    found = nbr_drop(before, after) if params.evidence == "nbr_drop" else magnitude(before, after, seen)
    return shift_columns(changed, label.valid, found[None].astype(np.float32), seen, before.grid)


def _class_shares(codes: NDArray[Any], labelled: NDArray[np.bool_], known: Mapping[int, str]) -> dict[str, Any]:
    columns = {code: f"share_{re.sub(r'[^a-z0-9]+', '_', name.lower())}" for code, name in known.items()}
    return {column: _share(codes == code, labelled) for code, column in columns.items()}


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    """Share of ``whole`` that is ``part``; None of nothing: an empty denominator is undefined, not zero."""
    return float((part & whole).sum() / whole.sum()) if whole.any() else None


def overlap(label: Grid, image: Grid) -> float:
    """Share of the label's bounding box (0..1) that lies on the image; in the CRS of the label."""
    if (label.crs is None) != (image.crs is None):
        return 0.0
    bounds = transform_bounds(image.crs, label.crs, *image.bounds) if image.crs != label.crs else image.bounds
    west, south, east, north = label.bounds
    width = max(0.0, min(east, bounds[2]) - max(west, bounds[0]))
    height = max(0.0, min(north, bounds[3]) - max(south, bounds[1]))
    return min(1.0, width * height / ((east - west) * (north - south)))
