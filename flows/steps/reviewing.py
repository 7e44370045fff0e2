"""Corrections of people merged inside a checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.errors import BadParams, LineageBroken, UnknownName
from components.lineage.pipeline import Pipeline
from components.lineage.transfer import materialise, track
from components.raster.atomic import write_text
from components.review.project import FILE, Project, read_project
from components.review.server import LabelStudio
from components.settings import Settings, load_settings
from flows.artifacts import show_text
from flows.stack.label_studio import read_access
from flows.steps.workplace import finish, run_module, workplace

FETCHED = "annotations.json"


def merge(dataset: str, review: str, annotations: str, by: str, commit: str) -> dict[str, Any]:
    """The corrections of a review in its dataset, tracked by DVC, pushed, one commit; no commit where nothing is new.

    Raises:
        LineageBroken: if the dataset is made by a stage, which would make it anew over any correction.
    """
    settings = load_settings()
    folder = review_folder(settings, review)
    project = read_project(folder)
    if project.dataset != dataset:
        raise UnknownName(f"dataset in review {project.id}", dataset, [project.dataset])
    file = Path(annotations).resolve() if annotations else fetch(settings, project, folder)
    raw = f"data/sources/{dataset}/raw"
    with workplace(f"review-{dataset}", commit) as place:
        if not (place.path / f"{raw}.dvc").is_file():
            raise LineageBroken(f"{dataset} is made by a stage, which would undo corrections; copy it into a dataset")
        materialise(place, Pipeline(place.path), [raw])
        author = ["--by", by] if by else []
        said = run_module(place, "components.review", "import", dataset, str(folder), str(file), *author)
        report: dict[str, Any] = json.loads(said.splitlines()[-1])
        is_new = report["version"] != report["version_before"]
        if is_new:
            track(place, raw)
            report |= finish(place, dataset, [], f"review {project.id} of")
    show_text(
        dataset, "review", f"### Review {project.id} of {dataset}\n\n```json\n{json.dumps(report, indent=1)}\n```\n"
    )
    return {"dataset": dataset, "review": project.id, **report}


def fetch(settings: Settings, project: Project, folder: Path) -> Path:
    """The annotations of the server, kept beside the sidecar as they came."""
    tasks = server(settings).annotations(project)
    write_text(folder / FETCHED, json.dumps(tasks) + "\n")
    return folder / FETCHED


def server(settings: Settings) -> LabelStudio:
    """The Label Studio of the settings, or the one that `make label-studio` started."""
    access = read_access(settings.home)
    token = settings.label_studio_token.get_secret_value() or access.get("token", "")
    if not token:
        raise BadParams("SWATH_LABEL_STUDIO_TOKEN", "expected a token, found none; set it, or run `make label-studio`")
    return LabelStudio(settings.label_studio_url or access.get("url", ""), token)


def review_folder(settings: Settings, name: str) -> Path:
    """The folder of an exported review by its name or its path.

    Raises:
        UnknownName: lists the reviews that there are.
    """
    home = settings.home / "review"
    for folder in (home / name, Path(name)):
        if name and (folder / FILE).is_file():
            return folder.resolve()
    raise UnknownName("review", name, (path.parent.name for path in home.glob(f"*/{FILE}")))
