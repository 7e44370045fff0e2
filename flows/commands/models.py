"""`swath runs`, `predict`, `promote`, `rollback`, `merge`: models, without an agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from components.errors import BadParams, StoreUnavailable, SwathError, UnknownName, VersionNotFound
from components.settings import Settings, load_settings
from components.tasks import load_run, run_names
from flows.names import RunName
from flows.stack.state import read_state

console = Console()
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


def predict(
    run: Run,
    inputs: Annotated[list[Path], typer.Argument(help="the input scenes in the order of the run, GeoTIFF")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the GeoTIFF to write")],
    output: Annotated[str | None, typer.Option(help="which output; the first one where not said")] = None,
    tile_px: Annotated[int, typer.Option(min=64, help="edge of a tile in pixels")] = 512,
) -> None:
    """Predict with the version in service.

    Example: `swath predict change-burned before.tif after.tif -o change.tif`
    """
    from components.deployment.loading import load_version
    from components.inference.files import predict_file

    version = load_version(_fetched(load_settings(), run))
    wanted = {each.name: each for each in version.spec.inputs}
    if len(wanted) != len(inputs):
        raise BadParams(run, f"needs {len(wanted)} scenes ({', '.join(wanted)}), got {len(inputs)}")
    outputs = [each.name for each in version.spec.outputs]
    if output is not None and output not in outputs:
        raise UnknownName("output", output, outputs)
    with _bar(run) as progress:
        done = predict_file(
            version.method,
            dict(zip(wanted, inputs, strict=True)),
            out,
            output=output or outputs[0],
            bands={name: each.bands for name, each in wanted.items()},
            tags={"SWATH_RUN": run, "SWATH_VERSION": version.id},
            tile_px=tile_px,
            progress=progress,
        )
    spent = done.timings
    console.print(f"{out}: {output or outputs[0]} of {run}, version {version.id}", highlight=False)
    console.print(
        f"{spent.pixels / 1e6:.2f} megapixels in {spent.total_s:.1f} s ({spent.megapixels_per_s:.2f} a second): read "
        f"{spent.read_s:.1f} s, computed {spent.compute_s:.1f} s, wrote {spent.write_s:.1f} s, "
        f"waited {spent.wait_s:.1f} s; at most {spent.peak_mb:.0f} MB",
        highlight=False,
    )


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar over tiles."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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


def _fetched(settings: Settings, run: str) -> Path:
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
