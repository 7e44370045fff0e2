"""`swath runs`, `promote`, `rollback`, `merge`: models, without an agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from components.errors import StoreUnavailable, SwathError, VersionNotFound
from components.settings import Settings, load_settings
from components.tasks import load_run, run_names
from flows.commands.output import console
from flows.names import RunName
from flows.stack.state import read_state

Run = Annotated[str, typer.Argument(help="a run, see `swath runs`", autocompletion=RunName.choices)]


def runs() -> None:
    """List the runs with data, score, best baseline and the version in service.

    Example: `swath runs`
    """
    settings = load_settings()
    table = Table("run", "dataset", "score [interval]", "best baseline", "units", "in service")
    for run in run_names():
        params = load_run(run)[1]
        path = settings.project / "data" / "reports" / f"{run}.json"
        score, baseline, units = _scores(json.loads(path.read_text())) if path.is_file() else ("not evaluated", "", "")
        table.add_row(run, params.dataset, score, baseline, units, _in_service(settings, run))
    console.print(table)


def promote(run: Run, version: Annotated[str, typer.Argument(help="a version id, see `swath runs`")]) -> None:
    """Put a registered version into service and watch the service take it.

    Example: `swath promote change-burned 1f0c9a2b7d3e`
    """
    from components.deployment.smoke import deploy
    from flows.steps.release import service_of

    settings = load_settings()
    deploy(_registry(settings), run, version, service_of(settings))
    console.print(f"{run}: version {version} is in service")


def rollback(run: Run) -> None:
    """Put the version before today's back into service.

    Example: `swath rollback change-burned`
    """
    from components.deployment.smoke import wait_for_version
    from flows.steps.release import service_of

    settings = load_settings()
    promotion = _registry(settings).rollback(run)
    wait_for_version(service_of(settings), run, promotion.version)
    console.print(f"{run}: back to version {promotion.version}")


def merge(branch: Annotated[str, typer.Argument(help="a branch that a flow run left, runs/<run>/<time>")]) -> None:
    """Bring a run home: its commit with the DVC lock entries united by stage.

    Example: `swath merge runs/change-sandbox/20260101T120000Z`
    """
    from components.lineage.merge import merge as merge_branch

    merge_branch(load_settings().project, branch)
    console.print(f"{branch} is merged; `dvc status` is clean for its stages")


def _registry(settings: Settings) -> Any:  # noqa: ANN401 - imported late, the SDK is slow to load
    from components.deployment.registry import Registry
    from flows.steps.workplace import store

    if not settings.store_secret_key.get_secret_value() and read_state(settings.home) is None:
        raise SwathError("no object store is known; start the stack with `swath up` or set SWATH_STORE_ENDPOINT")
    return Registry(store(settings))


def fetched(settings: Settings, run: str) -> Path:
    """The folder of the version in service, fetched from the store and verified.

    Raises:
        UnknownName: if there is no such run.
        VersionNotFound: if it has no version in service.
    """
    load_run(run)  # an unknown run is named before the store is asked
    registry = _registry(settings)
    promotion = registry.promoted(run)
    if promotion is None:
        raise VersionNotFound(f"{run} has no version in service; run `swath lifecycle {run}` first")
    folder: Path = registry.fetch(run, promotion.version, settings.home / "versions")
    return folder


def _in_service(settings: Settings, run: str) -> str:
    if read_state(settings.home) is None:
        return "(stack is down)"
    try:
        promotion = _registry(settings).promoted(run)
    except StoreUnavailable as error:
        return str(error)
    return promotion.version if promotion else "none"


def _scores(report: dict[str, Any]) -> tuple[str, str, str]:
    from components.evaluation.report import headline

    found = headline(report)
    return found.candidate, found.baseline, found.units
