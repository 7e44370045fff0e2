"""Sources whose files are told by their path: archives as published, with a pattern a role."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import BadParams
from components.ingestion.candidates import SAFE_ID, BandFile, Candidate, filled, times
from components.ingestion.declaration import Declaration
from components.ingestion.layouts import TreeLayout
from components.raster.bands import canonical
from components.raster.dataset import Quarantined

SPLIT = "swath:split"


@dataclass
class _Group:
    """The files of one id while they are collected; what their names say, in all and by role."""

    groups: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, list[Path]] = field(default_factory=dict)
    bands: dict[str, dict[str, list[Path]]] = field(default_factory=dict)


def discover_tree(
    folder: Path, declaration: Declaration, layout: TreeLayout
) -> tuple[list[Candidate], list[Quarantined]]:
    """Complete candidates sorted by id, and what cannot be one, by name with the reason.

    Raises:
        BadParams: if the folder is not there, or holds no file of a role; says what is expected where.
    """
    if not folder.is_dir():
        raise BadParams(folder, "no such folder; give the source folder that the layout in dataset.yaml describes")
    collected: dict[str, _Group] = {}
    seen: set[str] = set()
    for role, path, match in _matches(folder, layout):
        seen.add(role)
        groups = {name: text or "" for name, text in match.groupdict().items()}
        band = groups.pop("band", None)
        group = collected.setdefault(filled(layout.id, groups), _Group())
        group.groups = groups | group.groups
        group.own.setdefault(role, groups)
        if band is None:
            group.files.setdefault(role, []).append(path)
        else:
            group.bands.setdefault(role, {}).setdefault(canonical(band), []).append(path)
    for role in layout.roles:
        if role not in seen:
            raise BadParams(folder, f"no file for {role}; expected {_expected(layout, role)} below it")
    return _sorted_out(collected, declaration, layout)


def _matches(folder: Path, layout: TreeLayout) -> Iterator[tuple[str, Path, re.Match[str]]]:
    patterns = {role: re.compile(pattern) for role, pattern in layout.roles.items()}
    for home, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(home, name)
            relative = path.relative_to(folder).as_posix()
            for role, pattern in patterns.items():
                if match := pattern.fullmatch(relative):
                    yield role, path, match


def _sorted_out(
    collected: Mapping[str, _Group], declaration: Declaration, layout: TreeLayout
) -> tuple[list[Candidate], list[Quarantined]]:
    candidates, quarantined = [], []
    for name, group in sorted(collected.items()):
        if problem := _problem(name, group, declaration, layout):
            quarantined.append(Quarantined(name, problem))
        else:
            candidates.append(_candidate(name, group, declaration, layout))
    return candidates, quarantined


def _problem(name: str, group: _Group, declaration: Declaration, layout: TreeLayout) -> str | None:
    for role in layout.roles:
        if role not in group.files and role not in group.bands and role not in layout.optional:
            return f"no {role}; expected {_expected(layout, role)}"
        if problem := _doubled(role, group) or _missing_band(role, group, declaration, layout):
            return problem
    if not SAFE_ID.fullmatch(name):
        return "the id holds characters other than letters, digits, dot, dash and underscore"
    return None


def _doubled(role: str, group: _Group) -> str | None:
    listed = {role: group.files.get(role, [])} | {
        f"{role} {band}": paths for band, paths in group.bands.get(role, {}).items()
    }
    found = next(((what, paths) for what, paths in listed.items() if len(paths) > 1), None)
    return f"more than one file for {found[0]}: {', '.join(path.name for path in found[1])}" if found else None


def _missing_band(role: str, group: _Group, declaration: Declaration, layout: TreeLayout) -> str | None:
    image = declaration.image_of(role)
    if role not in group.bands or image is None:
        return None
    missing = [band for band in image.bands if canonical(band) not in group.bands[role]]
    return (
        f"no {', '.join(missing)} of {role}; expected one file a band, {_expected(layout, role)}" if missing else None
    )


def _expected(layout: TreeLayout, role: str) -> str:
    example = layout.examples.get(role)
    return f"files like {example}" if example else f"files that match {layout.roles[role]}"


def _candidate(name: str, group: _Group, declaration: Declaration, layout: TreeLayout) -> Candidate:
    place = filled(layout.place, group.groups)
    split = next((split for split, places in layout.splits.items() if place in places), None)
    properties = {key: filled(text, group.groups) for key, text in declaration.properties.items()}
    bands = {role: {band: BandFile(paths[0]) for band, paths in found.items()} for role, found in group.bands.items()}
    return Candidate(
        id=name,
        place=place,
        files={role: paths[0] for role, paths in group.files.items()},
        bands=bands,
        properties={**properties, **({SPLIT: split} if split else {})},
        acquired=times(declaration.dates, group.own),
    )
