"""The course of every training of a run as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.pictures.figures import save_curve
from components.tasks.bundle import RELEASED


def draw_curves(record: Mapping[str, Any], folder: Path) -> tuple[Path, ...]:
    """`training.png` for the released weights and `training-<fold>.png` for each fold; none where nothing is trained.

    ``record`` is the content of a `training.json`, so a training that was restored can be drawn too.
    """
    drawn = []
    for name, training in sorted(record["trainings"].items()):
        if not training["history"]:
            continue
        path = folder / ("training.png" if name == RELEASED else f"training-{name}.png")
        save_curve(training["history"], path, title=name, best=training["best_epoch"])
        drawn.append(path)
    return tuple(drawn)
