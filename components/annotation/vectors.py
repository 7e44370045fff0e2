"""The summary table of a dataset of vector labels: a row a source and a row a feature, by its id."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.annotation.age import age_column
from components.annotation.geometry import Bool, Mended, faults, mend
from components.annotation.rules import TableParams
from components.errors import NotEnoughData
from components.raster.dataset import Source
from components.raster.grid import Grid
from components.raster.io import describe
from components.raster.scene import Features
from components.raster.vector_files import read_features, write_features

_IDS = ("id", "fid", "ID", "FID", "osm_id")  # columns that name a feature; else its row does


def summarise_vectors(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
    """One row a source and one a feature of role ``params.label``, in their order.

    A feature's row says which fault it has (`has_<fault>`, see `geometry.faults`), all of them in words (``found``),
    and ``mended``, what was done to it. With the policy `reject` nothing is done, and the rules see the faults; with
    `fix` the rules see what is left of them, and ``mended`` is the record.

    Raises:
        NotEnoughData: if there is no source, or a source lacks image or features.
        BadScene: if a file cannot be read.
    """
    rows = [row for source in sources for row in _rows(source, params)]
    if not rows:
        raise NotEnoughData("the dataset holds no source to check; ingest or simulate it first")
    return pd.DataFrame(rows)


def _rows(source: Source, params: TableParams) -> Iterator[dict[str, Any]]:
    if params.image not in source.files or params.label not in source.vectors:
        held = ", ".join(sorted({*source.files, *source.vectors}))
        wanted = f"image {params.image} and features {params.label}"
        raise NotEnoughData(f"{source.id} has {held}, not {wanted}; name the roles in expectations.yaml")
    grid = describe(source.files[params.image]).grid
    features = read_features(source.vectors[params.label])
    found = faults(features, grid)
    about = {"scene": source.id, "place": source.place}
    mended = mend(features, grid) if params.geometry == "fix" else None
    left = len(features.geometries) if mended is None else len(mended.kept)
    yield {
        "level": "scene",
        "id": source.id,
        **about,
        "crs": grid.crs.to_string() if grid.crs else "none",
        "geometry_policy": params.geometry,
        **age_column(source, params.label),
        "features": len(features.geometries),
        "features_left": left,
    }
    remaining = found if mended is None else _remaining(mended, grid, found)
    for row, name in enumerate(_names(features)):
        yield {
            "level": "feature",
            "id": f"{source.id}#{name}",
            **about,
            "found": ", ".join(fault for fault, where in found.items() if where[row]) or None,
            "mended": ("; ".join(mended.done[row]) or None) if mended else None,
            **{f"has_{fault}": bool(where[row]) for fault, where in remaining.items()},
        }


def write_mended(sources: Sequence[Source], params: TableParams, folder: Path) -> tuple[str, ...]:
    """The features that the policy `fix` leaves, as ``folder/<source>.parquet``, of each source where it did something.

    What stood in the folder is removed. Returns the ids of those sources.
    """
    shutil.rmtree(folder, ignore_errors=True)
    written = []
    if params.kind == "vectors" and params.geometry == "fix":
        for source in sources:
            grid = describe(source.files[params.image]).grid
            mended = mend(read_features(source.vectors[params.label]), grid)
            if any(mended.done.values()):
                folder.mkdir(exist_ok=True)
                write_features(mended.features, folder / f"{source.id}.parquet")
                written.append(source.id)
    return tuple(written)


def _remaining(mended: Mended, grid: Grid, found: Mapping[str, Bool]) -> dict[str, Bool]:
    """The faults that are left after mending; a feature that was dropped has none."""
    after = {name: np.zeros(len(where), dtype=np.bool_) for name, where in found.items()}
    for name, where in faults(mended.features, grid).items():
        after[name][mended.kept] = where
    return after


def _names(features: Features) -> list[str]:
    column = next((features.table[name] for name in _IDS if name in features.table), None)
    return [str(each) for each in (np.arange(len(features.geometries)) if column is None else column)]
