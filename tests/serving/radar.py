"""Versions that answer time series in a real registry, and small dates to send to them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import yaml

from components.deployment.draft import draft
from components.tasks import load_task
from components.tasks.bundle import RELEASED, module_state, save_state
from components.tasks.params import read_params
from components.tasks.seam import Network
from tests.deployment.toy import CODE, provenance
from tests.raster.series import days, write_dates

PARAMS = {
    "change": {
        "name": "reactiv", "bands": ["VV", "VH"], "needs_crs": True, "false_alarms": 0.01, "least_px": 4,
    },
    "despeckling": {"name": "lee", "bands": ["VV", "VH"], "needs_crs": True, "looks": 4.4},
}  # fmt: skip
NETWORK = {"name": "dilated-residual", "bands": ["VV", "VH"], "needs_crs": True, "looks": 4.4, "width": 8}
SCALE = {"bands": ["VV", "VH"], "centre": [-2.5, -2.5], "scale": [0.5, 0.5]}  # of `NETWORK`, as training sets it
UNIT = {"unit": "intensity"}


def register(registry, folder: Path, task: str, run: str, method=None, code=CODE) -> str:
    """The id of a registered version of a run of a task, as a finished training would have left it."""
    project = folder / uuid.uuid4().hex
    path = project / "components" / "tasks" / task / "params" / f"{run}.yaml"
    path.parent.mkdir(parents=True)
    split = {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]}
    params = {"task": task, "dataset": "toy", "description": "x", "split": split, "method": method or PARAMS[task]}
    path.write_text(yaml.safe_dump(params))
    weights = project / "models" / "weights" / run
    weights.mkdir(parents=True)
    (weights / "training.json").write_text("{}")
    candidate = load_task(task).methods(read_params(path)).candidate
    if isinstance(candidate, Network):
        save_state(weights, RELEASED, module_state(candidate.module), candidate.preprocessing or SCALE)
    (project / "data" / "reports").mkdir(parents=True)
    (project / "data" / "reports" / f"{run}.json").write_text(json.dumps({"run": run}))
    draft(run, project, project / "version", provenance(code))
    return registry.register(run, project / "version").id


def dates(folder: Path, count=6, **fields):
    """A form's files: one date and band each, named by both."""
    write_dates(folder, count, **fields)
    return as_series(sorted(folder.iterdir()))


def as_series(paths):
    """Files as the repeated field of a form."""
    return [("series", (path.name, path.read_bytes())) for path in paths]


def stamps(count):
    """The days of `dates`."""
    return [f"{day:%Y%m%d}" for day in days(count)]
