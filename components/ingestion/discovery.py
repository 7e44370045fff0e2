"""Which files of a source folder belong together, by the layout of the declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.errors import BadParams
from components.ingestion.candidates import RASTERS, SAFE_ID, VECTORS, Candidate, filled, times
from components.ingestion.declaration import Declaration
from components.ingestion.layouts import FolderLayout, PatternLayout, TreeLayout
from components.ingestion.trees import discover_tree
from components.raster.dataset import Quarantined


@dataclass(frozen=True)
class _Found:
    role: str
    path: Path
    groups: Mapping[str, str]


def discover(folder: Path, declaration: Declaration) -> tuple[list[Candidate], list[Quarantined]]:
    """Complete candidates sorted by id, and what cannot be one, by name with the reason.

    Raises:
        BadParams: if the declaration has no layout, or the folder is not there or lacks a sub-folder.
    """
    layout = declaration.layout
    if isinstance(layout, TreeLayout):
        return discover_tree(folder, declaration, layout)
    if not isinstance(layout, FolderLayout | PatternLayout):
        raise BadParams(declaration.name, "layout: this dataset has no source folder")
    grouped: dict[str, list[_Found]] = {}
    quarantined: list[Quarantined] = []
    for role, path in _listed(folder, layout):
        match = re.fullmatch(layout.name, path.name)
        role = role or (match and _role_of(match["role"], layout))
        if match is None or not role:
            quarantined.append(Quarantined(_relative(path, folder), "the name does not match the layout's pattern"))
            continue
        groups = {name: text or "" for name, text in match.groupdict().items()}
        grouped.setdefault(filled(layout.id, groups), []).append(_Found(role, path, groups))
    candidates = []
    for name, found in sorted(grouped.items()):
        problem = _problem(name, found, layout)
        if problem:
            quarantined.append(Quarantined(name, problem))
        else:
            candidates.append(_candidate(name, found, declaration, layout))
    return candidates, sorted(quarantined, key=lambda each: each.name)


def _listed(folder: Path, layout: FolderLayout | PatternLayout) -> Iterator[tuple[str | None, Path]]:
    """Raster and vector files with their role where the sub-folder says it; hidden files and side-cars are none."""
    named = [(role, folder / name) for role, name in layout.roles.items()]
    for role, each in named if layout.kind == "folders" else [(None, folder)]:
        if not each.is_dir():
            raise BadParams(each, "no such folder; give the source folder that the layout in dataset.yaml describes")
        for path in sorted(each.iterdir()):
            if path.suffix.lower() in RASTERS | VECTORS and not path.name.startswith("."):
                yield role, path


def _role_of(text: str, layout: FolderLayout | PatternLayout) -> str | None:
    return next((role for role, expected in layout.roles.items() if expected == text), None)


def _problem(name: str, found: list[_Found], layout: FolderLayout | PatternLayout) -> str | None:
    roles = [each.role for each in found]
    missing = [role for role in layout.roles if role not in roles]
    doubled = sorted({role for role in roles if roles.count(role) > 1})
    if missing:
        return f"no {' and no '.join(missing)} of this name beside {', '.join(_labels(found))}"
    if doubled:
        return f"more than one file for {', '.join(doubled)}: {', '.join(_labels(found))}"
    if not SAFE_ID.fullmatch(name):
        return "the id holds characters other than letters, digits, dot, dash and underscore"
    return None


def _labels(found: list[_Found]) -> list[str]:
    return [f"{each.role} {each.path.name}" for each in found]


def _candidate(
    name: str, found: list[_Found], declaration: Declaration, layout: FolderLayout | PatternLayout
) -> Candidate:
    groups = found[0].groups
    own = {each.role: each.groups for each in found}
    return Candidate(
        id=name,
        place=filled(layout.place, groups),
        files={role: next(each.path for each in found if each.role == role) for role in layout.roles},
        properties={key: filled(text, groups) for key, text in declaration.properties.items()},
        acquired=times(declaration.dates, own),
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
