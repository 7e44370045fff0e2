"""Small datasets, reviews of them, and answers as a person would give them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.raster.dataset import finish, write_source
from components.raster.grid import Grid, Window
from components.raster.io import read_scene
from components.review.choosing import Candidate
from components.review.export import Request, export
from components.review.project import Project
from tests.scenes import change_pair, make_class_map

WINDOW = Window(16, 16, 32, 32)
DATASET = "fires"


def make_dataset(raw: Path, *, grid: Grid | None = None, unlabelled: Window | None = None, name: str = DATASET) -> Path:
    """Pairs a and b of 64 px; the label has a ring (a patch with a hole) and a square inside `WINDOW`."""
    for index in range(2):
        pair = change_pair(seed=index, grid=grid)
        mask = make_class_map((64, 64), (Window(20, 20, 10, 10), Window(36, 36, 4, 6)), grid=pair.before.grid)
        codes = mask.array.copy()
        codes[0, 23:26, 23:26] = 0
        if unlabelled:
            codes[(0, *unlabelled.slices)] = 255
        roles = {"before": pair.before, "after": pair.after, "mask": replace(mask, array=codes)}
        write_source(raw, "ab"[index], f"place-{index}", roles)
    finish(raw, name)
    return raw


def review(raw: Path, out: Path, *windows: Window, name: str = DATASET, **request: Any) -> Project:
    """A review of windows of scene a (default: `WINDOW`), written out."""
    chosen = [Candidate("a", "place-0", window, "looks wrong", 0.5) for window in windows or (WINDOW,)]
    return export(raw, name, chosen, Request(**request), out)


def answered(out: Path, *, by: str = "ana@example.org", when: str = "2026-01-02T03:04:05Z") -> list[dict[str, Any]]:
    """The exported tasks as Label Studio gives them back when a person submits every pre-annotation as it is."""
    tasks = json.loads((out / "tasks.json").read_text())
    for task in tasks:
        result = task["predictions"][0]["result"]
        task["annotations"] = [
            {"completed_by": {"email": by}, "result": result, "updated_at": when, "was_cancelled": False}
        ]
    return tasks


def drawn(label: str, points: list[list[float]], id: str = "new", **more: Any) -> dict[str, Any]:
    """A polygon of a person, in percent."""
    value = {"points": points, "closed": True, "polygonlabels": [label]}
    return {"id": id, "type": "polygonlabels", "from_name": "label", "to_name": "after", "value": value, **more}


def save(tasks: Any, path: Path) -> Path:
    path.write_text(json.dumps(tasks))
    return path


def codes(raw: Path, scene: str = "a") -> np.ndarray:
    return read_scene(raw / "scenes" / scene / "mask.tif").array[0]
