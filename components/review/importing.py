"""Annotations read from any of the three files, by what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from components.errors import BadParams
from components.review.coco import read_coco
from components.review.corrections import Author, Correction
from components.review.geojson import read_geojson
from components.review.project import Project
from components.review.studio import read_tasks


@dataclass(frozen=True)
class Annotations:
    """Corrections, and the form that they came in."""

    form: str
    corrections: tuple[Correction, ...]


def read_annotations(
    project: Project, path: Path, author: Author | None = None, only: Collection[str] = ()
) -> Annotations:
    """The corrections in an export of Label Studio (a list of tasks), a COCO file or a GeoJSON file.

    COCO and GeoJSON do not say who drew: ``author`` must. ``only`` names the chips that were looked at; empty: all
    that the file holds.

    Raises:
        BadParams: if it is none of the three, or an author is missing.
        UnknownName: if it is of another review, or names an unknown chip.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadParams(path, f"expected annotations as JSON, found none ({error}); export them again") from error
    for chip in only:
        project.chip(chip)
    try:
        found = _read(project, content, author, path)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadParams(path, f"a part is missing or of another kind ({error!r}); export it again") from error
    kept = tuple(each for each in found.corrections if not only or each.chip in only)
    return Annotations(found.form, kept)


def _read(project: Project, content: object, author: Author | None, path: Path) -> Annotations:
    if isinstance(content, list):
        return Annotations("label-studio", read_tasks(project, content, path))
    if not isinstance(content, dict):
        raise BadParams(path, "expected tasks of Label Studio, COCO or GeoJSON, found none of them")
    if author is None:
        raise BadParams(path, "does not say who drew; add --by")
    if content.get("type") == "FeatureCollection":
        return Annotations("geojson", read_geojson(project, content, author, path))
    if "images" in content:
        return Annotations("coco", read_coco(project, content, author, path))
    raise BadParams(path, "expected tasks of Label Studio, COCO or GeoJSON, found none of them")
