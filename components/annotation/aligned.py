"""The summary table of a dataset of aligned pairs: two sensors' view of one ground, which must lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.annotation.digest import digest_of
from components.annotation.rules import TableParams
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.io import read_scene
from components.raster.scene import Scene

SURE = 0.5  # confidence from which a matched pixel speaks for the scene
LEAST_SURE = 0.05  # share of such pixels below which the scene says nothing about its shift


def summarise_aligned(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
    """One row a source, sorted; columns that are undefined are null.

    ``shift_px`` is the length of the median flow from the first scene to the second, by template matching on edge
    directions: of a pair that is truly aligned it is a small part of a pixel. It is null where too little matches.

    Raises:
        NotEnoughData: if there is no source, or a source lacks a role.
        BadScene: if a file cannot be read.
    """
    rows = [_row(source, params) for source in sources]
    if not rows:
        raise NotEnoughData("the dataset holds no source to check; ingest or simulate it first")
    return pd.DataFrame(rows)


def _row(source: Source, params: TableParams) -> dict[str, Any]:
    missing = [role for role in (params.before, params.after) if role not in source.files]
    if missing:
        raise NotEnoughData(f"{source.id} has no {', '.join(missing)}; name the roles in expectations.yaml")
    first, second = (read_scene(source.files[role]) for role in (params.before, params.after))
    same_grid = first.grid.same_as(second.grid)
    row = {
        "level": "scene",
        "id": source.id,
        "scene": source.id,
        "place": source.place,
        "crs": first.grid.crs.to_string() if first.grid.crs else "none",
        "rows": first.grid.shape[0],
        "cols": first.grid.shape[1],
        "same_grid": same_grid,
        "image_digest": digest_of(first, second),
    }
    if not same_grid:  # pixels of different grids cannot be compared: the rest stays null
        return row
    seen = first.valid & second.valid
    return {**row, "valid_fraction": float(seen.mean()), **_shift(first, second)}


def _shift(first: Scene, second: Scene) -> dict[str, float | None]:
    # torch comes with them: two hundred megabytes that no other table needs
    from components.tasks.coregistration import templates
    from components.tasks.coregistration.views import grey

    flow, confidence = templates.estimate(grey(first), grey(second))
    sure = (confidence > SURE) & np.isfinite(flow).all(0)
    matched = float(sure.mean())
    told = matched >= LEAST_SURE
    return {
        "matched_fraction": matched,
        "shift_px": float(np.hypot(*np.median(flow[:, sure], axis=1))) if told else None,
    }
