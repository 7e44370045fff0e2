"""The runs of a project as lineage sees them: names and parameter keys, read without importing any task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.errors import BadParams, UnknownName

# What a stage never reads: a change there must not run it again. All else in the file counts; a test looks for lies.
UNREAD = {
    "prepare": frozenset({"description", "training", "evaluation"}),
    "train": frozenset({"description", "evaluation"}),
}


@dataclass(frozen=True)
class Run:
    """The part of a run's parameters that lineage needs: names and the keys that are set."""

    name: str
    task: str
    dataset: str
    params: str  # project-relative path of the file
    keys: tuple[str, ...]

    def read_by(self, stage: str) -> list[str] | None:
        """The keys of the file that ``stage`` reads; None for all that there may ever be."""
        if stage not in UNREAD:
            return None
        return [key for key in self.keys if key not in UNREAD[stage]]


def runs(project: Path) -> tuple[Run, ...]:
    """All runs of the project, by name.

    Raises:
        BadParams: if a file names no task or dataset, or two runs share a name.
    """
    found: dict[str, Run] = {}
    for path in sorted(project.glob("components/tasks/*/params/*.yaml")):
        values, where = _mapping(path), path.relative_to(project).as_posix()
        if path.stem in found:
            raise BadParams(where, f"{found[path.stem].params} is a run of the same name; rename one")
        for key in ("task", "dataset"):
            if not isinstance(values.get(key), str):
                raise BadParams(where, f"{key}: must be given")
        found[path.stem] = Run(path.stem, values["task"], values["dataset"], where, tuple(sorted(values)))
    return tuple(found[name] for name in sorted(found))


def is_simulated(run: Run, project: Path) -> bool:
    """Whether a run's dataset is made by the sandbox: its declaration has a section `simulation`.

    Raises:
        UnknownName: lists the known datasets.
    """
    path = project / "data" / "sources" / run.dataset / "dataset.yaml"
    if not path.is_file():
        raise UnknownName("dataset", run.dataset, (p.parent.name for p in project.glob("data/sources/*/dataset.yaml")))
    return "simulation" in _mapping(path)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise BadParams(path, str(error)) from error
    if not isinstance(values, dict):
        raise BadParams(path, "must hold named values")
    return values
