"""What a source offers, found but not yet opened: files that belong together, by role."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import BadParams
from components.raster.dataset import Quarantined
from components.raster.grid import Grid

RASTERS = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".img"}
VECTORS = {".geojson", ".gpkg", ".shp", ".parquet", ".geoparquet", ".pbf"}
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

    A role is one file (``files``), or one file a band (``bands``). ``unseen`` counts for roles of bands. ``acquired``
    says by role when what it shows was true, where that is known: of an image, of a label.
    """

    id: str
    place: str
    files: Mapping[str, Path]
    properties: Mapping[str, Any] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, BandFile]] = field(default_factory=dict)
    unseen: Unseen | None = None
    acquired: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def all_files(self) -> Mapping[str, Path]:
        """Every file by what it is: its role, `role/band`, `unseen`; a shapefile's parts as `role.dbf` and so on."""
        named = {f"{role}/{band}": file.path for role, bands in self.bands.items() for band, file in bands.items()}
        parts = {f"{role}{part.suffix}": part for role, path in self.files.items() for part in _parts(path)}
        return {**self.files, **parts, **named, **({"unseen": self.unseen.file.path} if self.unseen else {})}


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


def _parts(path: Path) -> list[Path]:
    """What belongs to a shapefile beside the file that is named."""
    parts = (path.with_suffix(suffix) for suffix in (".dbf", ".prj", ".shx", ".cpg"))
    return [part for part in parts if part.is_file()] if path.suffix.lower() == ".shp" else []


def filled(template: str, groups: Mapping[str, str]) -> str:
    """The template with the named groups of a file name in it.

    Raises:
        BadParams: if it asks for a group that the pattern has not.
    """
    try:
        return template.format_map(groups)
    except KeyError as error:
        raise BadParams(template, f"the file name pattern has no group {error}") from error


def times(templates: Mapping[str, str], groups: Mapping[str, Mapping[str, str]]) -> dict[str, datetime]:
    """When each role was acquired, in UTC, from its template and the groups of its own file name.

    Raises:
        BadParams: if a template asks for a group that the pattern has not, or does not become a day.
    """
    found = {}
    for role, template in templates.items():
        if role in groups:
            text = filled(template, groups[role])
            try:
                time = datetime.fromisoformat(text)
            except ValueError as error:
                raise BadParams(f"dates: {role}", f"{text!r} is no day like 2024-03-01 or 20240301") from error
            found[role] = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return found
