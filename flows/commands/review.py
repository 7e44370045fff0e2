"""`swath review export`, `import`, `status`: labels looked at by people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from components.errors import BadParams, UnknownName
from components.settings import load_settings
from flows.commands.follow import run_and_follow
from flows.commands.output import console
from flows.names import DatasetName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.raster.dataset import Source
    from components.review.choosing import Candidate

review = typer.Typer(
    no_args_is_help=True, help="Have labels looked at by people.\n\nExample: `swath review export sandbox-optical`"
)
Dataset = Annotated[str, typer.Argument(help="a folder of data/sources/", autocompletion=DatasetName.choices)]


class Choice(StrEnum):
    """How chips are chosen."""

    QUARANTINE = "quarantine"
    INFORMATIVE = "informative"
    RANDOM = "random"


@review.command(name="export")
def export_review(
    dataset: Dataset,
    choose: Annotated[Choice, typer.Option(help="worst suspects, most informative, or any")] = Choice.RANDOM,
    count: Annotated[int, typer.Option(min=1, help="how many chips")] = 20,
    chip_px: Annotated[int, typer.Option(min=16, help="edge of a chip in pixels")] = 128,
    seed: Annotated[int, typer.Option(help="of the choice")] = 0,
    quarantine: Annotated[Path | None, typer.Option(help="quarantine.parquet of annotation QA")] = None,
    probability: Annotated[Path | None, typer.Option(help="folder of probability maps, <scene>.tif")] = None,
    bands: Annotated[str, typer.Option(help="bands shown as red, green, blue: B12,B08,B04")] = "",
    stretch: Annotated[str, typer.Option(help="values shown black and white: 0,0.4; else 2 to 98 %")] = "",
    brush: Annotated[bool, typer.Option(help="pre-annotations as brush strokes, not polygons")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="folder; else .swath/review/<review>")] = None,
    server: Annotated[bool, typer.Option(help="also make the project in Label Studio")] = False,
) -> None:
    """Write chips and their labels for people: Label Studio, COCO, GeoJSON.

    For example:

    - `swath review export california-fires --bands B12,B08,B04 --server`
    - `swath review export california-fires --choose quarantine --quarantine quarantine.parquet`
    - `swath review export california-fires --choose informative --probability maps/`
    """
    from components.raster.dataset import read_sources
    from components.review.export import Request, export
    from components.review.tiles import Stretch
    from flows.steps import reviewing

    settings = load_settings()
    raw = _raw(dataset)
    sources = read_sources(raw)
    chosen = _chosen(sources, choose, count, chip_px, seed, quarantine or probability)
    shown = Stretch(tuple(name for name in bands.split(",") if name), _limits(stretch))
    folder = out or settings.home / "review" / f"{dataset}-{choose}-{seed}"
    project = export(raw, dataset, chosen, Request(stretch=shown, brush=brush), folder)
    console.print(f"review {project.id}: {len(project.chips)} chips of {dataset} in {folder}", highlight=False)
    if server:
        studio = reviewing.server(settings)
        console.print(f"{studio.url}/projects/{studio.create(project, folder)}/data", highlight=False)


@review.command(name="import")
def import_review(
    review: Annotated[str, typer.Argument(help="a review, see `swath review status`, or its folder")],
    annotations: Annotated[
        Path | None, typer.Argument(help="Label Studio's JSON, COCO or GeoJSON; else ask the server")
    ] = None,
    by: Annotated[str, typer.Option(help="who drew, for files that do not say it")] = "",
    commit: Annotated[str, typer.Option(help="commit, branch or tag to work on")] = "HEAD",
) -> None:
    """Merge corrections into the dataset: a commit on a branch, see `swath merge`.

    For example:

    - `swath review import california-fires-random-0`
    - `swath review import california-fires-random-0 corrected.geojson --by ana@example.org`
    """
    from components.review.project import read_project
    from flows.steps import reviewing

    folder = reviewing.review_folder(load_settings(), review)
    if annotations and not annotations.is_file():
        raise BadParams(annotations, "expected a file of annotations, found none")
    file = str(annotations.resolve()) if annotations else ""
    parameters = {"dataset": read_project(folder).dataset, "review": str(folder), "annotations": file, "by": by}
    for name, value in run_and_follow("review", {**parameters, "commit": commit}).items():
        console.print(f"[bold]{name}[/]: {value}", highlight=False)


@review.command(name="status")
def review_status() -> None:
    """List the reviews of this project: chips, merged ones, and labels that were overwritten since.

    Example: `swath review status`
    """
    from components.review.status import statuses

    settings = load_settings()
    table = Table("review", "dataset", "chips", "merged", "pixels changed", "overwritten since", "folder")
    for each in statuses(settings.home / "review", settings.project / "data" / "sources"):
        lost = ", ".join(each.lost) or "none"
        counts = (str(each.chips), str(each.merged), str(each.changed_px))
        table.add_row(each.review, each.dataset, *counts, lost, each.folder.name)
    console.print(table)


def _raw(dataset: str) -> Path:
    if dataset not in DatasetName.choices():
        raise UnknownName("dataset", dataset, DatasetName.choices())
    return load_settings().project / "data" / "sources" / dataset / "raw"


def _chosen(
    sources: Sequence[Source], choose: Choice, count: int, chip_px: int, seed: int, given: Path | None
) -> Sequence[Candidate]:
    from components.review.choosing import all_chips, at_random, most_informative, quarantined
    from components.review.export import image_roles, label_role
    from components.review.model import look_at

    if choose is not Choice.RANDOM and given is None:
        option = "--quarantine FILE" if choose is Choice.QUARANTINE else "--probability FOLDER"
        raise BadParams(f"--choose {choose}", f"expected {option}, found none; add it")
    if choose is Choice.QUARANTINE and given:
        return quarantined(given, count, chip_px)
    if not sources:
        return ()
    role = label_role(sources[0])
    candidates = all_chips(sources, role, chip_px)
    if choose is Choice.INFORMATIVE and given:
        look = look_at(given, {each.id: each for each in sources}, image_roles(sources[0], role))
        return most_informative(candidates, look, count, seed)
    return at_random(candidates, count, seed)


def _limits(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise BadParams("--stretch", f"expected two numbers with a comma between, found {text!r}") from error
    return low, high
