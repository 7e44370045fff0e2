"""The pipeline files, computed: `python -m components.lineage.stages [--check|--write]`.

`dvc.yaml` holds the runs on sandbox data, which a fresh clone can make; `data/dvc.yaml` those on data that must be
fetched first. A stage depends on the exact import closure of its code, the keys of its parameters and its data.
"""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.lineage.closure import Imports, import_closure, imports
from components.lineage.runs import Run, is_simulated, runs

logger = logging.getLogger(__name__)

SANDBOX, EXTERNAL = "dvc.yaml", "data/dvc.yaml"
HEADER = "# Computed by `python -m components.lineage.stages --write`; a test compares. Do not edit.\n"

ENTRIES = {
    "simulate": "components.simulation.__main__",
    "prepare": "components.training.prepare",
    "train": "components.training.__main__",
    "evaluate": "components.evaluation.__main__",
}

Declared = dict[str, Any]


def pipelines(project: Path) -> dict[str, Declared]:
    """The content of both pipeline files, by project-relative path.

    Raises:
        BadParams: if a params file or a dataset declaration is wrong.
        UnknownName: if a run's dataset or a stage's module does not exist.
    """
    graph = imports(project)
    sandbox: Declared = {}
    external: Declared = {}
    for run in runs(project):
        simulated = is_simulated(run, project)
        if simulated:
            sandbox.setdefault(f"simulate-{run.dataset}", _simulate(run.dataset, project, graph))
        for name in ("prepare", "train", "evaluate"):
            read = _code(ENTRIES[name], run.task, project, graph)
            stage = _RUN_STAGES[name](run, (*read, *_quarantine(run, project)) if name == "prepare" else read)
            if simulated:
                sandbox[f"{name}-{run.name}"] = stage
            else:  # commands run in the root, where the packages are
                external[f"{name}-{run.name}"] = {"wdir": "..", **stage}
    return {SANDBOX: {"stages": sandbox}, EXTERNAL: {"stages": external}}


def rendered(project: Path) -> dict[str, str]:
    """The text of both pipeline files, by project-relative path."""
    options: Mapping[str, Any] = {"sort_keys": False, "width": 120, "allow_unicode": True}
    return {path: HEADER + yaml.safe_dump(content, **options) for path, content in pipelines(project).items()}


def differing(project: Path) -> tuple[str, ...]:
    """The pipeline files that are not as computed."""
    return tuple(
        path
        for path, text in rendered(project).items()
        if not (project / path).is_file() or (project / path).read_text() != text
    )


def write(project: Path) -> tuple[str, ...]:
    """The pipeline files brought up to date; answers which of them changed."""
    changed = differing(project)
    for path, text in rendered(project).items():
        if path in changed:
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
    return changed


def _simulate(dataset: str, project: Path, graph: Imports) -> Declared:
    folder = f"data/sources/{dataset}"
    return {
        "cmd": f"python -m components.simulation {dataset}",
        "deps": list(import_closure([ENTRIES["simulate"]], project, graph)),
        "params": [{f"{folder}/dataset.yaml": None}],
        "outs": [f"{folder}/raw"],
    }


def _prepare(run: Run, code: tuple[str, ...]) -> Declared:
    return {
        "cmd": f"python -m components.training.prepare {run.name}",
        "deps": [*code, f"data/sources/{run.dataset}/raw"],
        "params": [{run.params: run.read_by("prepare")}],
        "outs": [f"data/prepared/{run.name}"],
    }


def _quarantine(run: Run, project: Path) -> tuple[str, ...]:
    """What annotation QA keeps out of training; no dependency where nothing was ever kept."""
    path = f"data/sources/{run.dataset}/quarantine.parquet"
    return (path,) if (project / path).is_file() else ()


def _train(run: Run, code: tuple[str, ...]) -> Declared:
    return {
        "cmd": f"python -m components.training {run.name}",
        "deps": [*code, f"data/prepared/{run.name}"],
        "params": [{run.params: run.read_by("train")}],
        "outs": [f"models/weights/{run.name}"],
    }


def _evaluate(run: Run, code: tuple[str, ...]) -> Declared:
    return {
        "cmd": f"python -m components.evaluation {run.name}",
        "deps": [*code, f"data/prepared/{run.name}", f"models/weights/{run.name}"],
        "params": [{run.params: run.read_by("evaluate")}],
        "metrics": [{f"data/reports/{run.name}.json": {"cache": False}}],
        # An output, so that it comes back with the report when the stage is restored instead of run.
        "outs": [{f"data/timings/{run.name}.json": {"cache": False}}],
    }


_RUN_STAGES = {"prepare": _prepare, "train": _train, "evaluate": _evaluate}


def _code(entry: str, task: str, project: Path, graph: Imports) -> tuple[str, ...]:
    # `load_task` imports the task by a computed name, so its package is an entry of its own.
    return import_closure([entry, f"components.tasks.{task}"], project, graph)


def main(arguments: list[str] | None = None) -> int:
    """Writes the pipeline files, or with `--check` answers 1 where they differ from the computed ones."""
    parser = ArgumentParser(prog="python -m components.lineage.stages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is out of date")
    parser.add_argument("--write", action="store_true", help="bring the files up to date (default)")
    wanted = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    project = Path.cwd()
    changed = differing(project) if wanted.check else write(project)
    if wanted.check and changed:
        logger.error("not as computed: %s; run python -m components.lineage.stages --write", ", ".join(changed))
        return 1
    logger.info("written: %s", ", ".join(changed) or "nothing, all up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
