"""What annotation QA does not believe: windows of scenes that no training may learn from, or that a person must see.

The file `quarantine.parquet` lies beside `raw.dvc` in a dataset's folder, versioned in git. It holds one row a chip or
scene: scene, place, row, col, rows, cols, rule, reason, score, action.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from pyarrow import ArrowInvalid

from components.errors import BadParams
from components.raster.atomic import atomic
from components.raster.grid import Window
from components.tasks.chips import Chip

FILE = "quarantine.parquet"
Action = Literal["leave-out", "review"]
COLUMNS = {
    "scene": "object",
    "place": "object",
    "row": "int64",
    "col": "int64",
    "rows": "int64",
    "cols": "int64",
    "rule": "object",
    "reason": "object",
    "score": "float64",
    "action": "object",
}


@dataclass(frozen=True)
class Suspicion:
    """One row: where (pixels of the label's grid; a whole scene is its full window), by which rule, and why.

    ``score`` is 0..1, higher is worse. ``action`` is `leave-out` (no training learns from it) or `review`.
    """

    scene: str
    place: str
    window: Window
    rule: str
    reason: str
    score: float
    action: Action


def quarantine_of(dataset_folder: Path) -> tuple[Suspicion, ...] | None:
    """The quarantine of a dataset (`data/sources/<dataset>`); None where none was kept.

    Raises:
        BadParams: if the file is not one that annotation QA wrote.
    """
    path = dataset_folder / FILE
    return read_quarantine(path) if path.is_file() else None


def read_quarantine(path: Path) -> tuple[Suspicion, ...]:
    """The rows of a quarantine file in its order.

    Raises:
        BadParams: names the column or value that is wrong.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ArrowInvalid) as error:
        raise BadParams(path, f"{error}; write it anew with `swath qa <dataset> --keep`") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise BadParams(path, f"no column {', '.join(missing)}; write it anew with `swath qa <dataset> --keep`")
    return tuple(_suspicion(row, path) for row in table[list(COLUMNS)].to_dict("records"))


def write_quarantine(found: Iterable[Suspicion], path: Path) -> None:
    """The rows as Parquet, worst first within each scene; the same rows give the same bytes.

    Raises:
        OSError: if the file cannot be written; what was there stays.
    """
    ordered = sorted(found, key=lambda each: (each.scene, -each.score, each.window.row, each.window.col, each.rule))
    records = [
        {
            "scene": each.scene,
            "place": each.place,
            **{name: getattr(each.window, name) for name in ("row", "col", "rows", "cols")},
            "rule": each.rule,
            "reason": each.reason,
            "score": each.score,
            "action": each.action,
        }
        for each in ordered
    ]
    table = pd.DataFrame(records, columns=list(COLUMNS)).astype(COLUMNS)
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def require_known_scenes(found: Sequence[Suspicion], scenes: Collection[str], where: object) -> None:
    """Nothing where every scene of the quarantine is one of the dataset.

    Raises:
        BadParams: names the scene that is not.
    """
    unknown = sorted({each.scene for each in found} - set(scenes))
    if unknown:
        raise BadParams(
            where,
            f"names scene {unknown[0]!r}, which the dataset does not hold; the data has changed since, "
            "so write the quarantine anew with `swath qa <dataset> --keep`",
        )


class LeftOut:
    """Why no training may learn from a chip: looked up by scene and window."""

    def __init__(self, found: Iterable[Suspicion]) -> None:
        self._by_scene: dict[str, list[Suspicion]] = {}
        for each in found:
            if each.action == "leave-out":
                self._by_scene.setdefault(each.scene, []).append(each)

    def __call__(self, chip: Chip) -> str:
        """The rules that speak against a chip, joined by commas; empty where none does."""
        rules = {each.rule for each in self._by_scene.get(chip.source, ()) if overlaps(each.window, chip.window)}
        return ", ".join(sorted(rules))


def overlaps(left: Window, right: Window) -> bool:
    """Whether two windows of one grid share a pixel."""
    beside = left.col + left.cols <= right.col or right.col + right.cols <= left.col
    above = left.row + left.rows <= right.row or right.row + right.rows <= left.row
    return not (beside or above)


def _suspicion(row: Mapping[Any, Any], path: Path) -> Suspicion:
    window = Window(*(int(row[name]) for name in ("row", "col", "rows", "cols")))
    action, score = row["action"], float(row["score"])
    if action not in get_args(Action):
        raise BadParams(path, f"action {action!r} of {row['scene']} is none of {', '.join(get_args(Action))}")
    if not 0 <= score <= 1:
        raise BadParams(path, f"score {score} of {row['scene']} is not in 0..1")
    return Suspicion(row["scene"], row["place"], window, row["rule"], row["reason"], score, action)
