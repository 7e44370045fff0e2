"""What a flow run leaves in the Prefect UI for people: tables, decisions, pictures, lineage."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact

from components.settings import Settings

MOST_PICTURES = 4  # more are one click away in the folder


def key(*parts: str) -> str:
    """An artifact key: lower-case words with dashes, stable between runs so that they form a history."""
    return "-".join("".join(c if c.isalnum() else "-" for c in part.lower()) for part in parts)


def publish(settings: Settings, source: Path, where: str) -> str:
    """The URL of a folder of pictures or pages, copied to where the reports server shows it.

    What an earlier run left there goes: a picture of a fault that is mended since would still accuse its label.
    """
    target = settings.home / "reports" / where
    if source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as aside:
            fresh = Path(shutil.copytree(source, Path(aside) / "fresh"))
            if target.exists():
                target.rename(Path(aside) / "old")
            fresh.rename(target)
    return f"{settings.reports_url}/{where}"


def show_pictures(run: str, url: str, names: Sequence[str]) -> None:
    """The first pictures as images, all of them by a link."""
    for name in names[:MOST_PICTURES]:
        create_image_artifact(image_url=f"{url}/{name}", key=key(run, Path(name).stem), description=f"{run}: {name}")
    create_link_artifact(link=f"{url}/", link_text=f"all {len(names)} pictures of {run}", key=key(run, "pictures"))


def show_text(run: str, what: str, markdown: str) -> None:
    """A Markdown page."""
    create_markdown_artifact(markdown=markdown, key=key(run, what), description=f"{run}: {what}")


def show_lineage(run: str, facts: Mapping[str, object]) -> None:
    """Where a result comes from: commit, branch, digests, and what was not used."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    show_text(run, "lineage", f"### Lineage of {run}\n\n| what | which |\n| --- | --- |\n{rows}\n")
