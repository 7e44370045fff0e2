"""`swath ingest`, `qa`, `train`, `evaluate`, `deploy`, `lifecycle`: the flows, started and followed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.errors import BadScene, UnknownName
from flows.commands.follow import run_and_follow
from flows.commands.output import console
from flows.names import DatasetName, RunName

Commit = Annotated[str, typer.Option(help="commit, branch or tag to work on")]
Run = Annotated[str, typer.Argument(help="a run, see `swath runs`", autocompletion=RunName.choices)]
Dataset = Annotated[str, typer.Argument(help="a folder of data/sources/", autocompletion=DatasetName.choices)]


def ingest(
    dataset: Dataset,
    source: Annotated[Path, typer.Argument(help="folder of the raw files, or where downloads are kept")],
    max_lost: Annotated[float, typer.Option(min=0, max=1, help="largest share that may be quarantined")] = 0.2,
    commit: Commit = "HEAD",
) -> None:
    """Bring the new scenes of a folder into a dataset.

    Example: `swath ingest california-fires ~/fires`
    """
    if not source.is_dir():
        raise BadScene(source, "no such folder", "name the folder that holds the raw files")
    found = {"source": str(source.resolve()), "max_lost": max_lost, "commit": commit}
    _report(run_and_follow("ingest", {"dataset": _known(DatasetName, "dataset", dataset), **found}))


def qa(
    dataset: Dataset,
    commit: Commit = "HEAD",
    keep: Annotated[bool, typer.Option("--keep", help="commit the quarantine, so that training obeys it")] = False,
) -> None:
    """Check the labels of a dataset: pass, pass with quarantine, or fail, with reasons and pictures.

    Example: `swath qa california-fires`; with `swath qa california-fires --keep` what is not to be believed is written
    to data/sources/california-fires/quarantine.parquet on a branch (bring it home with `swath merge`), and no training
    learns from it. Scores are still taken on all chips.
    """
    parameters = {"dataset": _known(DatasetName, "dataset", dataset), "commit": commit, "keep": keep}
    _report(run_and_follow("annotation-qa", parameters))


def train(run: Run, commit: Commit = "HEAD") -> None:
    """Train a run on the gpu pool.

    Example: `swath train change-sandbox`
    """
    _report(run_and_follow("train", {"run": _known(RunName, "run", run), "commit": commit}))


def evaluate(run: Run, commit: Commit = "HEAD") -> None:
    """Score a trained run and say what the gate decides.

    Example: `swath evaluate change-sandbox --commit runs/change-sandbox/20260101T120000Z`
    """
    _report(run_and_follow("evaluate", {"run": _known(RunName, "run", run), "commit": commit}))


def deploy(
    run: Run, commit: Commit = "HEAD", approval: Annotated[bool, typer.Option(help="wait for a person")] = False
) -> None:
    """Promote a scored run and watch the service take it.

    Example: `swath deploy change-sandbox --commit runs/change-sandbox/20260101T120000Z`
    """
    parameters = {"run": _known(RunName, "run", run), "commit": commit, "approval": approval}
    _report(run_and_follow("deploy", parameters))


def lifecycle(
    run: Run,
    source: Annotated[Path | None, typer.Option(help="folder of new raw files to ingest first")] = None,
    commit: Commit = "HEAD",
    approval: Annotated[bool, typer.Option(help="wait for a person before promoting")] = False,
) -> None:
    """Ingest, check, train, evaluate and deploy in a row.

    Example: `swath lifecycle change-sandbox`
    """
    where = str(source.resolve()) if source else ""
    parameters = {"run": _known(RunName, "run", run), "source": where, "commit": commit, "approval": approval}
    _report(run_and_follow("lifecycle", parameters))


def _known(kind: type[DatasetName] | type[RunName], word: str, name: str) -> str:
    if name not in kind.choices():
        raise UnknownName(word, name, kind.choices())
    return name


def _report(result: object) -> None:
    if isinstance(result, dict):
        for name, value in result.items():
            console.print(f"[bold]{name}[/]: {value}", highlight=False)
