"""A task small enough to know every answer: the share of change is a weighted difference of two scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml
from affine import Affine
from rasterio.crs import CRS

from components.deployment.card import Provenance
from components.deployment.draft import draft
from components.raster.grid import Grid
from components.raster.scene import Class, Scene
from components.tasks.bundle import RELEASED, require_arrays, save_state
from components.tasks.seam import InputSpec, Methods, Metric, OutputSpec, Spec

BANDS = ("B04", "B08")
CLASSES = (Class(0, "unchanged", (0, 0, 0)), Class(1, "changed", (200, 30, 30)))
CODE = "c0de" * 16
GRID = Grid(CRS.from_epsg(32631), Affine(10, 0, 500_000, 0, -10, 4_900_000), (40, 50))


@dataclass(frozen=True)
class Difference:
    """Probability of change: the weighted absolute difference of the bands, at most 1."""

    weight: np.ndarray | None = None
    halo_px: int | None = 0

    def restored(self, state, preprocessing):
        require_arrays(state, {"weight": ((len(BANDS),), "float32")}, "toy")
        return replace(self, weight=state["weight"])

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        before, after = scenes["before"], scenes["after"]
        change = np.abs(after.array - before.array)
        chance = np.minimum(np.tensordot(self.weight, change, 1), 1.0).astype(np.float32)[None]
        valid = before.valid & after.valid
        codes = np.where(valid, chance[0] > 0.5, 255).astype(np.uint8)[None]
        return {
            "change": Scene(codes, before.grid, ("change",), "class", 255, classes=CLASSES),
            "probability": Scene(
                np.where(valid, chance, np.nan), before.grid, ("probability",), "probability", float("nan")
            ),
        }


class ToyTask:
    def spec(self, params):
        inputs = tuple(InputSpec(n, "toy", BANDS, "reflectance", "scene", (5, 20), True) for n in ("before", "after"))
        outputs = (
            OutputSpec("change", "classes", "class", ("change",), CLASSES),
            OutputSpec("probability", "continuous", "probability", ("probability",)),
        )
        return Spec(inputs, outputs, Metric("f1"))

    def methods(self, params):
        return Methods(Difference(), {})


def use_toy(monkeypatch):
    """The toy stands in for the task `change` until the test ends."""
    for module in ("components.deployment.draft", "components.deployment.loading"):
        monkeypatch.setattr(f"{module}.load_task", lambda name: ToyTask())


def toy_project(folder: Path, run: str, weight=(1.0, 1.0), method=None) -> Path:
    """A checkout that holds one trained and evaluated toy run; with ``method``, of a method that learns nothing."""
    params = {
        "task": "change",
        "dataset": "toy",
        "description": "a toy",
        "split": {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]},
        "method": method or {"network": "difference"},
    }
    path = folder / "components" / "tasks" / "change" / "params" / f"{run}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(params))
    weights = folder / "models" / "weights" / run
    weights.mkdir(parents=True)
    (weights / "training.json").write_text("{}")
    if method is None:
        save_state(weights, RELEASED, {"weight": np.array(weight, np.float32)}, {})
    (folder / "data" / "reports").mkdir(parents=True, exist_ok=True)
    scores = {"f1": {"value": 0.9, "low": 0.8, "high": 0.95}}
    report = {"run": run, "methods": {"candidate": {"role": "candidate", "scores": scores, "units": {"a": {"f1": 1}}}}}
    (folder / "data" / "reports" / f"{run}.json").write_text(json.dumps(report))
    return folder


def provenance(code=CODE):
    return Provenance("0123abcd", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), code, {"data/prepared": "md5"})


def toy_version(folder: Path, run: str, weight=(1.0, 1.0), code=CODE):
    """A version folder of the toy; `use_toy` must hold."""
    project = toy_project(folder / "project", run, weight)
    return draft(run, project, folder / "version", provenance(code)), folder / "version"


def scene(level=0.1, changed=0.0, grid=GRID, bands=BANDS, unit="reflectance", **fields):
    """A flat scene, `changed` brighter in its left half."""
    array = np.full((len(bands), *grid.shape), level, np.float32)
    array[:, :, : grid.shape[1] // 2] += changed
    return Scene(array, grid, bands, unit, float("nan"), **fields)


def loaded(run="change-toy", version="0" * 16, weight=(1.0, 1.0)):
    """What the serving code needs of a loaded toy version."""
    task = ToyTask()
    return SimpleNamespace(
        run=run, id=version, task_name="change", code_digest=CODE, spec=task.spec(None),
        params=SimpleNamespace(evaluation=SimpleNamespace(tile_px=512)),
        method=Difference(np.array(weight, np.float32)),
    )  # fmt: skip
