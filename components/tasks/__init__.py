"""The columns: one folder a task. The folder is the list; `load_task` imports just the one that is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from components.errors import UnknownName

if TYPE_CHECKING:
    from components.tasks.params import RunParams
    from components.tasks.seam import Task

FOLDER = Path(__file__).parent


def task_names() -> tuple[str, ...]:
    """The names of all tasks: the folders beside this file that hold an `__init__.py`."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/__init__.py")))


def load_task(name: str) -> Task:
    """The task of that name; imports its folder only.

    Raises:
        UnknownName: lists the known tasks.
    """
    if name not in task_names():
        raise UnknownName("task", name, task_names())
    return cast("Task", import_module(f"components.tasks.{name}").TASK)


def run_names() -> tuple[str, ...]:
    """The names of all runs: the parameter files of all tasks."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*/params/*.yaml")))


def params_path(run: str) -> Path:
    """The parameter file of a run.

    Raises:
        UnknownName: lists the known runs.
    """
    for path in FOLDER.glob(f"*/params/{run}.yaml"):
        return path
    raise UnknownName("run", run, run_names())


def load_run(run: str) -> tuple[Task, RunParams]:
    """The task and the parameters of a run.

    Raises:
        UnknownName: if there is no such run or task.
        BadParams: if its file is wrong.
    """
    from components.tasks.params import read_params

    params = read_params(params_path(run))
    return load_task(params.task), params
