"""Ingestion: a source folder becomes a versioned dataset; what cannot be used is named and left out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ServiceUnavailable, SwathError, TooMuchLost
from components.ingestion.declaration import Declaration, SeriesLayout, read_declaration
from components.ingestion.discovery import Candidate, discover
from components.ingestion.reading import encodings, read_candidate
from components.ingestion.series import SeriesCandidate, discover_series, read_series
from components.raster.dataset import MANIFEST, Quarantined, Source, finish, sha256, write_source
from components.raster.decoding import DecoderPool
from components.raster.items import read_item
from components.raster.limits import MB, PICTURES_TOO, ChildLimits, OpenLimits
from components.raster.scene import Scene

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]  # done, of how many, id
RAW = "raw"
# A scene is held whole while it is ingested: these fit one Sentinel-2 tile of 10,980 px with all its bands.
LIMITS = OpenLimits(
    file_bytes=16 * 1024 * MB,
    decoded_bytes=16 * 1024 * MB,
    pixels=1_000_000_000,
    edge_px=200_000,
    bands=512,
    blocks=2_000_000,
    formats=PICTURES_TOO,
)
CHILD = ChildLimits(cpu_s=600, wall_s=1200.0)


@dataclass(frozen=True)
class IngestReport:
    """What became of every candidate of a source folder: ids, and the quarantined with their reasons."""

    dataset: str
    ingested: tuple[str, ...]
    skipped: tuple[str, ...]  # already there, same bytes
    quarantined: tuple[Quarantined, ...]

    @property
    def lost_fraction(self) -> float:
        """Quarantined share of everything found; 0 where nothing was found."""
        found = len(self.ingested) + len(self.skipped) + len(self.quarantined)
        return len(self.quarantined) / found if found else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {
            "dataset": self.dataset,
            "ingested": list(self.ingested),
            "skipped": list(self.skipped),
            "quarantined": [{"name": each.name, "reason": each.reason} for each in self.quarantined],
            "lost_fraction": self.lost_fraction,
        }


def ingest(
    source_folder: Path,
    dataset: Path,
    *,
    max_lost: float | None = None,
    limits: OpenLimits | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """A source folder brought into ``dataset`` (`data/sources/<dataset>`) as COGs, STAC items and a manifest.

    Only what is new or has changed (SHA-256 of the source files, and the declaration) is written; a
    candidate that cannot be used is quarantined by name and the rest goes on. Each source appears at once
    or not at all, so an ingestion that was killed is simply run again. The source files are parsed by a limited
    child process, one for the whole ingestion; ``limits`` (default: `LIMITS`) is what one of them may ask for.

    Raises:
        BadParams: if the declaration is wrong or the folder does not have the declared layout.
        BadScene, NotEnoughData: if a folder of dates is not there, mixes orbits or holds no file of the pattern.
        TooMuchLost: if more than ``max_lost`` (default: the declaration's) was quarantined.
        ServiceUnavailable: if the child process cannot be started.
    """
    declaration = read_declaration(dataset)
    dated = isinstance(declaration.layout, SeriesLayout)
    candidates, quarantined = (discover_series if dated else discover)(source_folder, declaration)
    raw = dataset / RAW
    ingested, skipped, refused = _brought_in(candidates, declaration, raw, limits or LIMITS, progress)
    quarantined += [Quarantined(name, _portable(reason, source_folder)) for name, reason in refused]
    for each in quarantined:
        logger.warning("quarantined %s: %s", each.name, each.reason)
        # what was ingested under this name before no longer has a source
        (raw / "items" / f"{each.name}.json").unlink(missing_ok=True)
    report = IngestReport(declaration.name, tuple(ingested), tuple(skipped), tuple(quarantined))
    finish(raw, declaration.name, report.quarantined)
    limit = declaration.max_lost if max_lost is None else max_lost
    if report.lost_fraction > limit:
        reasons = [f"{each.name}: {each.reason}" for each in report.quarantined]
        raise TooMuchLost(declaration.name, report.lost_fraction, limit, reasons)
    return report


def _brought_in(
    candidates: Sequence[Candidate],
    declaration: Declaration,
    raw: Path,
    limits: OpenLimits,
    progress: Progress | None,
) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Ids that were written, ids that were there already, and ids that cannot be used with the reason."""
    intact = {source.id: source for source in _intact(raw)}
    ingested, skipped, refused = [], [], []
    with DecoderPool(limits, CHILD, workers=1) as decoders:
        for index, candidate in enumerate(candidates):
            properties = _provenance(candidate, declaration)
            if _is_same(intact.get(candidate.id), properties):
                skipped.append(candidate.id)
            else:
                try:
                    _write(candidate, declaration, raw, _read(candidate, declaration, decoders), properties)
                    ingested.append(candidate.id)
                except ServiceUnavailable:  # no fault of this candidate
                    raise
                except SwathError as error:
                    refused.append((candidate.id, str(error)))
            if progress:
                progress(index + 1, len(candidates), candidate.id)
    return ingested, skipped, refused


def _read(candidate: Candidate, declaration: Declaration, decoders: DecoderPool) -> Mapping[str, Scene]:
    if isinstance(candidate, SeriesCandidate):
        return read_series(candidate, declaration, decoders)
    return read_candidate(candidate, declaration, decoders)


def _write(
    candidate: Candidate,
    declaration: Declaration,
    raw: Path,
    scenes: Mapping[str, Scene],
    properties: Mapping[str, Any],
) -> None:
    write_source(
        raw,
        candidate.id,
        candidate.place,
        scenes,
        encodings=encodings(scenes, declaration),
        properties=properties,
    )


def _provenance(candidate: Candidate, declaration: Declaration) -> dict[str, Any]:
    """What a source is made of and what was done to it: source files with SHA-256, scale and offset applied."""
    sources = {
        role: {"file": f"{path.parent.name}/{path.name}", "sha256": sha256(path)}
        for role, path in candidate.files.items()
    }
    applied = {"scale": declaration.image.scale, "offset": declaration.image.offset} if declaration.image else {}
    return {
        **candidate.properties,
        "swath:sources": sources,
        "swath:applied": applied,
        "swath:declaration": declaration.digest,
    }


def _intact(raw: Path) -> Iterator[Source]:
    """Registered sources whose files are there and are those of the last manifest; the others are ingested anew."""
    manifest = raw / MANIFEST
    known = json.loads(manifest.read_text())["files"] if manifest.is_file() else {}
    for item in sorted((raw / "items").glob("*.json")):
        source = Source(*read_item(item))
        named = {path.relative_to(raw).as_posix(): path for path in (item, *source.files.values())}
        if all(path.is_file() and _unchanged(path, known.get(name)) for name, path in named.items()):
            yield source


def _unchanged(path: Path, entry: Mapping[str, Any] | None) -> bool:
    """True where the file is the manifest's; one that is not in it yet was written whole by a killed ingestion."""
    return entry is None or entry["sha256"] == sha256(path)


def _is_same(source: Source | None, properties: Mapping[str, Any]) -> bool:
    return source is not None and all(source.properties.get(key) == value for key, value in properties.items())


def _portable(message: str, folder: Path) -> str:
    """The message without the folder's place on this machine, so that quarantine.json is the same elsewhere."""
    return message.replace(f"{folder}/", "")
