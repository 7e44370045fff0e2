"""Ingestion: a source folder becomes a versioned dataset; what cannot be used is named and left out."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.errors import BadParams, ServiceUnavailable, SwathError
from components.ingestion.candidates import Candidate, Discovery
from components.ingestion.declaration import Declaration, read_declaration
from components.ingestion.digests import Digests
from components.ingestion.discovery import discover
from components.ingestion.download import Manners
from components.ingestion.layouts import SeriesLayout, StacLayout
from components.ingestion.reading import Reading, encodings, read_candidate
from components.ingestion.report import IngestReport
from components.ingestion.series import SeriesCandidate, discover_series, read_series
from components.ingestion.stac.source import discover_stac
from components.ingestion.standing import intact_sources, provenance_of
from components.ingestion.vector_labels import Layers
from components.raster.atomic import PART
from components.raster.dataset import Quarantined, finish, write_source
from components.raster.decoding import DecoderPool
from components.raster.limits import MB, PICTURES_TOO, ChildLimits, OpenLimits

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


def ingest(
    source_folder: Path,
    dataset: Path,
    *,
    max_lost: float | None = None,
    limits: OpenLimits | None = None,
    progress: Progress | None = None,
    remember: Path | None = None,
) -> IngestReport:
    """A source folder brought into ``dataset`` (`data/sources/<dataset>`) as COGs, STAC items and a manifest.

    Only what is new or has changed (SHA-256 of the source files, and the declaration) is written; a
    candidate that cannot be used is quarantined by name and the rest goes on. Each source appears at once
    or not at all, so an ingestion that was killed is simply run again. The source files are parsed by a limited
    child process, one for the whole ingestion; ``limits`` (default: `LIMITS`) is what one of them may ask for.
    ``remember`` names a file that keeps digests between runs: what nobody has written to since is not read again.

    Raises:
        BadParams: if the declaration is wrong or the folder does not have the declared layout.
        BadScene, NotEnoughData: if a folder of dates is not there, mixes orbits or holds no file of the pattern.
        TooMuchLost: if more than ``max_lost`` (default: the declaration's) was quarantined.
        ServiceUnavailable: if the child process cannot be started.
    """
    declaration = read_declaration(dataset)
    limits = limits or LIMITS
    found = _found(source_folder, declaration, limits)
    raw = dataset / RAW
    digests = Digests(remember)
    done = _brought_in(found.candidates, declaration, raw, limits, progress, digests)
    refused = [Quarantined(name, _portable(reason, source_folder, raw)) for name, reason in done.refused]
    quarantined = (*found.quarantined, *refused)
    for each in quarantined:
        logger.warning("quarantined %s: %s", each.name, each.reason)
        # what was ingested under this name before no longer has a source
        (raw / "items" / f"{each.name}.json").unlink(missing_ok=True)
    report = IngestReport(declaration.name, tuple(done.ingested), tuple(done.skipped), quarantined, found.missing)
    finish(raw, declaration.name, report.quarantined, verified=done.verified)
    digests.save()
    report.require_kept(declaration.max_lost if max_lost is None else max_lost)
    return report


@dataclass
class _Outcome:
    """Ids that were written, ids that were there already, ids that cannot be used with the reason; verified digests."""

    ingested: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    verified: dict[str, str] = field(default_factory=dict)


def _found(folder: Path, declaration: Declaration, limits: OpenLimits) -> Discovery:
    """What the source of the declaration offers, fetched into the folder where it does not lie there."""
    if isinstance(declaration.layout, StacLayout):
        manners = Manners(downloads=declaration.layout.downloads, most_bytes=limits.file_bytes)
        found = discover_stac(folder, declaration, manners=manners)
    elif isinstance(declaration.layout, SeriesLayout):
        found = Discovery(*discover_series(folder, declaration))
    else:
        found = Discovery(*discover(folder, declaration))
    return replace(found, candidates=[_labelled(each, folder, declaration) for each in found.candidates])


def _labelled(candidate: Candidate, folder: Path, declaration: Declaration) -> Candidate:
    """The candidate with the vector files that label all scenes of the dataset."""
    shared = {role: label.vectors.file for role, label in declaration.all_labels.items() if label.vectors}
    files = {role: folder / name for role, name in shared.items() if name}
    for path in files.values():
        if not path.is_file():
            raise BadParams(path, "no such file; label.vectors.file is a path below the source folder")
    return replace(candidate, files={**candidate.files, **files}) if files else candidate


def _brought_in(
    candidates: Sequence[Candidate],
    declaration: Declaration,
    raw: Path,
    limits: OpenLimits,
    progress: Progress | None,
    digests: Digests,
) -> _Outcome:
    outcome = _Outcome()
    todo = _changed(candidates, declaration, raw, digests, outcome)
    done = len(outcome.skipped)
    if progress and done:
        progress(done, len(candidates), outcome.skipped[-1])
    if not todo:  # no process is started for nothing
        return outcome
    layers = Layers()
    with DecoderPool(limits, CHILD, workers=1) as decoders:
        for index, (candidate, properties) in enumerate(todo, done + 1):
            try:
                read = _read(candidate, declaration, decoders, layers)
                _write(candidate, declaration, raw, read, {**properties, **read.facts})
                outcome.ingested.append(candidate.id)
            except ServiceUnavailable:  # no fault of this candidate
                raise
            except SwathError as error:
                outcome.refused.append((candidate.id, str(error)))
            if progress:
                progress(index, len(candidates), candidate.id)
    return outcome


def _changed(
    candidates: Sequence[Candidate], declaration: Declaration, raw: Path, digests: Digests, outcome: _Outcome
) -> list[tuple[Candidate, dict[str, Any]]]:
    """Candidates that are new or differ from what stands, with their provenance; the others are noted as skipped."""
    standing = intact_sources(raw, digests)
    changed = []
    for candidate in candidates:
        properties = provenance_of(candidate, declaration, digests)
        found = standing.get(candidate.id)
        if found and found.is_made_of(properties):
            outcome.skipped.append(candidate.id)
            outcome.verified |= found.digests
        else:
            changed.append((candidate, properties))
    return changed


def _read(candidate: Candidate, declaration: Declaration, decoders: DecoderPool, layers: Layers) -> Reading:
    if isinstance(candidate, SeriesCandidate):
        return read_series(candidate, declaration, decoders)
    return read_candidate(candidate, declaration, decoders, layers)


def _write(
    candidate: Candidate,
    declaration: Declaration,
    raw: Path,
    read: Reading,
    properties: Mapping[str, Any],
) -> None:
    write_source(
        raw,
        candidate.id,
        candidate.place,
        read.scenes,
        features=read.features,
        encodings=encodings(read.scenes, declaration),
        properties=properties,
    )


def _portable(message: str, folder: Path, raw: Path) -> str:
    """The message without places and random names of this machine, so that quarantine.json is the same elsewhere."""
    unfinished = rf"{re.escape(str(raw))}/\.(.+?)\.[0-9a-f]+{re.escape(PART)}/"
    return re.sub(unfinished, r"\1/", message).replace(f"{folder}/", "")
