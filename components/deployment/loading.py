"""A version folder on disk, verified, as a method that predicts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.deployment.golden import check_golden
from components.deployment.manifest import verify_folder
from components.errors import BadParams, UnknownName, VersionCorrupt
from components.inference.method import Method
from components.tasks import load_task
from components.tasks.bundle import restore
from components.tasks.params import RunParams, read_params
from components.tasks.seam import Spec, Task

CARD = "item.json"
PARAMS = "params.yaml"
REPORT = "report.json"


@dataclass(frozen=True)
class LoadedVersion:
    """A version ready to predict: its method carries the learnt numbers and the preprocessing of training."""

    run: str
    id: str
    folder: Path
    task_name: str
    code_digest: str
    task: Task
    spec: Spec
    params: RunParams
    method: Method


def load_version(folder: Path) -> LoadedVersion:
    """The version in ``folder``: every file re-hashed, every tensor of the expected name, shape and dtype.

    Raises:
        VersionCorrupt: names what is wrong; nothing but JSON, YAML and safetensors is ever read.
    """
    version = verify_folder(folder)
    task_name, code_digest = read_card(folder)
    try:
        params = read_params(folder / PARAMS)
        task = load_task(task_name)
        if params.task != task_name:
            raise VersionCorrupt(version.id, f"{CARD} says task {task_name}, {PARAMS} says {params.task}")
        spec, method = task.spec(params), restore(task, params, folder)
    except (BadParams, UnknownName) as error:
        raise VersionCorrupt(version.id, str(error)) from error
    return LoadedVersion(version.run, version.id, folder, task_name, code_digest, task, spec, params, method)


def read_card(folder: Path) -> tuple[str, str]:
    """Task and code digest of the version in ``folder``: what decides whether this code may load it.

    Raises:
        VersionCorrupt: if the card does not say.
    """
    try:
        properties = json.loads((folder / CARD).read_text())["properties"]
        return str(properties["swath:task"]), str(properties["swath:code_digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VersionCorrupt(str(folder), f"{CARD} cannot be read ({error})") from error


def require_golden(version: LoadedVersion) -> None:
    """Nothing where the version answers its golden request as it did when it was made.

    Raises:
        VersionCorrupt: says how far the answer is off.
    """
    check_golden(f"{version.run} {version.id}", version.method, version.folder)
