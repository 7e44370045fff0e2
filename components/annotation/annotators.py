"""Several annotators of one place: how far their class maps agree, by scene, by chip (the region) and by class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.annotation.rules import TableParams
from components.errors import GridMismatch
from components.metrics.agreement import (
    cohen_kappa,
    confusion_of,
    fleiss_kappa,
    iou_agreement,
    krippendorff_alpha,
    ratings_of,
)
from components.raster.dataset import Source
from components.raster.io import read_scene
from components.raster.scene import Scene

Summarise = Callable[[Sequence[Source], TableParams], pd.DataFrame]
Codes = NDArray[np.int64]
COLUMNS = ("annotators", "annotators_alpha", "annotators_least_alpha", "annotators_kappa", "annotators_least_iou")
_MISSING = -1


def agreed(summarise: Summarise) -> Summarise:
    """A summary table with the columns of `agreement_columns` where several label roles are declared and present."""

    def summarised(sources: Sequence[Source], params: TableParams) -> pd.DataFrame:
        table = summarise(sources, params)
        found = dict(row for source in sources for row in _rows(source, params))
        columns = list(dict.fromkeys([*COLUMNS, *(name for row in found.values() for name in row)]))
        values = (
            pd.DataFrame.from_dict(found, orient="index", columns=columns) if found else pd.DataFrame(columns=columns)
        )
        return table.join(values.reindex(table["id"]).astype(float).reset_index(drop=True))

    return summarised


def agreement_columns(maps: Codes, names: dict[int, str]) -> dict[str, float | None]:
    """How far class maps ``(annotator, row, col)`` agree; -1 is not rated, null is undefined.

    ``annotators_alpha`` is Krippendorff's alpha of all classes, ``annotators_kappa`` Cohen's kappa of two annotators or
    Fleiss' of more. For each class `alpha_<class>` is alpha of the class against the rest and `iou_<class>` the mean
    overlap of any two annotators; ``annotators_least_alpha`` and ``annotators_least_iou`` are those of the worst class.
    """
    ratings = ratings_of(maps, tuple(names), _MISSING)
    alphas = {code: krippendorff_alpha(_against_rest(ratings, at)) for at, code in enumerate(names)}
    overlaps = {code: iou_agreement(maps, code, _MISSING) for code in names}
    slugs = {code: re.sub(r"[^a-z0-9]+", "_", name.lower()) for code, name in names.items()}
    two = len(maps) == 2
    return {
        "annotators": float(len(maps)),
        "annotators_alpha": krippendorff_alpha(ratings),
        "annotators_least_alpha": min((each for each in alphas.values() if each is not None), default=None),
        "annotators_kappa": cohen_kappa(confusion_of(maps[0], maps[1], tuple(names))) if two else fleiss_kappa(ratings),
        "annotators_least_iou": min((each for each in overlaps.values() if each is not None), default=None),
        **{f"alpha_{slugs[code]}": each for code, each in alphas.items()},
        **{f"iou_{slugs[code]}": each for code, each in overlaps.items()},
    }


def _against_rest(ratings: NDArray[np.int64], at: int) -> NDArray[np.int64]:
    return np.stack([ratings[:, at], ratings.sum(axis=1) - ratings[:, at]], axis=1)


def _rows(source: Source, params: TableParams) -> Iterator[tuple[str, dict[str, Any]]]:
    roles = [role for role in params.annotators if role in source.files]
    if len(roles) < 2:
        return
    labels = [read_scene(source.files[role]) for role in roles]
    for role, label in zip(roles, labels, strict=True):
        if not label.grid.same_as(labels[0].grid):
            raise GridMismatch(f"{source.id} {roles[0]} {labels[0].grid}", f"{role} {label.grid}")
    names = {each.code: each.name for label in labels for each in label.classes}
    maps = np.stack([_rated(label, names) for label in labels])
    yield source.id, agreement_columns(maps, names)
    for window in labels[0].grid.tiles(params.window_px):
        rows, cols = window.slices
        yield f"{source.id}@{window.row},{window.col}", agreement_columns(maps[:, rows, cols], names)


def _rated(label: Scene, names: dict[int, str]) -> Codes:
    """The codes of one annotator; what is not labelled, or of no known class (another rule's affair), is not rated."""
    codes = label.array[0].astype(np.int64)
    return np.where(label.valid & np.isin(codes, list(names)), codes, _MISSING)
