"""Which files of a source folder belong together, by the layout of the declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from components.errors import BadParams
from components.ingestion.declaration import Declaration
from components.ingestion.layouts import FolderLayout, PatternLayout
from components.raster.dataset import Quarantined
from components.raster.grid import Grid

RASTERS = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".img"}
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # becomes a folder and a STAC id


@dataclass(frozen=True)
class BandFile:
    """A file of one band. ``scale``, ``offset`` and ``nodata`` stand above those of the declaration where given.

    ``grid`` is the one that a catalogue promised: a file on another is refused.
    """

    path: Path
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    grid: Grid | None = None


@dataclass(frozen=True)
class Unseen:
    """A class map whose ``codes`` say where an image shows nothing of the ground (clouds and their shadows)."""

    file: BandFile
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """Files that together make one source, found but not yet opened.

    A role is one file (``files``), or one file a band (``bands``). ``unseen`` counts for roles of bands.
    """

    id: str
    place: str
    files: Mapping[str, Path]
    properties: Mapping[str, Any] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, BandFile]] = field(default_factory=dict)
    unseen: Unseen | None = None
    acquired: datetime | None = None

    @property
    def all_files(self) -> Mapping[str, Path]:
        """Every file by what it is: its role, `role/band`, or `unseen`."""
        named = {f"{role}/{band}": file.path for role, bands in self.bands.items() for band, file in bands.items()}
        return {**self.files, **named, **({"unseen": self.unseen.file.path} if self.unseen else {})}


@dataclass(frozen=True)
class Discovery:
    """What a source offers: complete candidates, what cannot be one and why, and what could not be fetched."""

    candidates: Sequence[Candidate]
    quarantined: Sequence[Quarantined] = ()
    missing: tuple[str, ...] = ()

    @property
    def missing_fraction(self) -> float:
        """Share of everything found that could not be fetched; 0 where nothing was found."""
        found = len(self.candidates) + len(self.quarantined)
        return len(self.missing) / found if found else 0.0


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
        grouped.setdefault(_filled(layout.id, groups), []).append(_Found(role, path, groups))
    candidates = []
    for name, found in sorted(grouped.items()):
        problem = _problem(name, found, layout)
        if problem:
            quarantined.append(Quarantined(name, problem))
        else:
            candidates.append(_candidate(name, found, declaration, layout))
    return candidates, sorted(quarantined, key=lambda each: each.name)


def _listed(folder: Path, layout: FolderLayout | PatternLayout) -> Iterator[tuple[str | None, Path]]:
    """Raster files with their role where the sub-folder says it; hidden files and side-cars are no rasters."""
    named = [(role, folder / name) for role, name in layout.roles.items()]
    for role, each in named if layout.kind == "folders" else [(None, folder)]:
        if not each.is_dir():
            raise BadParams(each, "no such folder; give the source folder that the layout in dataset.yaml describes")
        for path in sorted(each.iterdir()):
            if path.suffix.lower() in RASTERS and not path.name.startswith("."):
                yield role, path


def _role_of(text: str, layout: FolderLayout | PatternLayout) -> str | None:
    return next((role for role, expected in layout.roles.items() if expected == text), None)


def _filled(template: str, groups: Mapping[str, str]) -> str:
    try:
        return template.format_map(groups)
    except KeyError as error:
        raise BadParams(template, f"the file name pattern has no group {error}") from error


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
    return Candidate(
        id=name,
        place=_filled(layout.place, groups),
        files={role: next(each.path for each in found if each.role == role) for role in layout.roles},
        properties={key: _filled(text, groups) for key, text in declaration.properties.items()},
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
