"""A version folder put together from what a run left behind: weights, parameters, report, card and golden request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from components.deployment.card import Provenance, card
from components.deployment.golden import write_golden
from components.deployment.loading import CARD, PARAMS, REPORT
from components.deployment.manifest import Version, write_manifest
from components.errors import VersionNotFound
from components.tasks import load_task
from components.tasks.bundle import RELEASED, paths, restore
from components.tasks.params import read_params

WEIGHTS = Path("models/weights")
REPORTS = Path("data/reports")


def draft(run: str, project: Path, folder: Path, provenance: Provenance) -> Version:
    """The version made of what ``project`` (a checkout) holds of a run, written to ``folder``, which must not exist.

    The same checkout and provenance give the same version.

    Raises:
        VersionNotFound: if the run was not trained or not evaluated there.
    """
    params = params_path(run, project)
    report = project / REPORTS / f"{run}.json"
    for path, stage in ((project / WEIGHTS / run, "train"), (report, "evaluate")):
        if not path.exists():
            raise VersionNotFound(f"{path} is missing; run the {stage} stage of {run} first")
    shutil.copytree(project / WEIGHTS / run, folder)
    shutil.copyfile(params, folder / PARAMS)
    shutil.copyfile(report, folder / REPORT)
    _complete(run, folder, provenance)
    return write_manifest(run, folder)


def _complete(run: str, folder: Path, provenance: Provenance) -> None:
    """Card and golden request added to a folder that holds weights, parameters and report."""
    params = read_params(folder / PARAMS)
    task = load_task(params.task)
    spec, method = task.spec(params), restore(task, params, folder)
    scores = _scores(json.loads((folder / REPORT).read_text()))
    item = card(run, params, spec, provenance, scores, _parameters(folder))
    (folder / CARD).write_text(json.dumps(item, sort_keys=True, indent=1, allow_nan=False) + "\n")
    write_golden(spec, method, folder)


def params_path(run: str, project: Path) -> Path:
    """The parameter file of a run in a checkout, which need not be the code that runs.

    Raises:
        VersionNotFound: if there is none.
    """
    for path in (project / "components" / "tasks").glob(f"*/params/{run}.yaml"):
        return path
    raise VersionNotFound(f"{project} holds no parameters of a run {run}; see components/tasks/*/params")


def _scores(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the card says of a report: every method's pooled scores with their intervals, and how they were taken."""
    methods = {
        name: {"role": each["role"], "scores": each["scores"]} for name, each in report.get("methods", {}).items()
    }
    kept = ("protocol", "simulated", "prepared", "primary", "units", "gains", "calibration")
    return {**{key: report[key] for key in kept if key in report}, "methods": methods}


def _parameters(folder: Path) -> int:
    """How many numbers were learnt."""
    weights = paths(folder, RELEASED)[0]
    if not weights.is_file():
        return 0
    with safe_open(weights, framework="numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    return sum(prod(shape) for shape in shapes)
