"""Pictures of an evaluation: the candidate's output on every test unit, and all scores with their intervals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from components.evaluation.report import Report
from components.evaluation.scoring import CANDIDATE, Prediction
from components.pictures.draw import save_intervals, save_picture
from components.tasks.seam import Task


class Gallery:
    """Saves one picture a unit into a folder: the first sample that the candidate predicts of it."""

    def __init__(self, task: Task, folder: Path) -> None:
        self.task, self.folder = task, folder
        self.saved: dict[str, Path] = {}

    def show(self, prediction: Prediction) -> None:
        """Draws a prediction where its unit has no picture yet."""
        unit = prediction.sample.unit
        if prediction.method != CANDIDATE or unit in self.saved:
            return
        path = self.folder / f"{file_name(unit)}.png"
        save_picture(self.task.draw(prediction.sample, prediction.outputs), path)
        self.saved[unit] = path


def save_scores(report: Report, folder: Path) -> Path:
    """The deciding score of every method with its interval, as `scores.png`; the candidate first."""
    metric = report["primary"]["name"]
    methods: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]] = report["methods"]
    names = [CANDIDATE, *sorted(name for name in methods if name != CANDIDATE)]
    entries = {name: methods[name]["scores"][metric] for name in names}
    intervals = {name: (entry["value"], entry["low"], entry["high"]) for name, entry in entries.items()}
    world = "simulated scenes" if report["simulated"] else "real scenes"
    label = f"{metric}, {report['bootstrap']['confidence']:.0%} interval over {len(report['units'])} units"
    save_intervals(intervals, folder / "scores.png", title=f"{report['run']} ({world})", label=label)
    return folder / "scores.png"


def file_name(unit: str) -> str:
    """The name of a unit with only letters, digits, dots and hyphens, so that it can name a file."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", unit).strip(".") or "unit"
