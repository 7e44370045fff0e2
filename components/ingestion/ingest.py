"""Ingestion: a source folder becomes a versioned dataset; what cannot be used is named and left out."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.errors import BadParams, ServiceUnavailable, SwathError, TooMuchLost
from components.ingestion.candidates import Candidate, Discovery
from components.ingestion.declaration import Declaration, read_declaration
from components.ingestion.digests import Digests
from components.ingestion.discovery import discover
from components.ingestion.download import Manners
from components.ingestion.layouts import StacLayout
from components.ingestion.reading import Reading, encodings, read_candidate
from components.ingestion.stac.source import discover_stac
from components.ingestion.vector_labels import Layers
from components.raster.atomic import PART
from components.raster.dataset import MANIFEST, Quarantined, Source, finish, write_source
from components.raster.decoding import DecoderPool
from components.raster.items import read_item
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


@dataclass(frozen=True)
class IngestReport:
    """What became of every candidate of a source folder: ids, and the quarantined with their reasons."""

    dataset: str
    ingested: tuple[str, ...]
    skipped: tuple[str, ...]  # already there, same bytes
    quarantined: tuple[Quarantined, ...]
    missing: tuple[str, ...] = ()  # of the quarantined: what a catalogue promised and could not be fetched

    @property
    def lost_fraction(self) -> float:
        """Quarantined share of everything found; 0 where nothing was found."""
        return len(self.quarantined) / self._found if self._found else 0.0

    @property
    def missing_fraction(self) -> float:
        """Share of everything found that could not be fetched."""
        return len(self.missing) / self._found if self._found else 0.0

    @property
    def _found(self) -> int:
        return len(self.ingested) + len(self.skipped) + len(self.quarantined)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {
            "dataset": self.dataset,
            "ingested": list(self.ingested),
            "skipped": list(self.skipped),
            "quarantined": [{"name": each.name, "reason": each.reason} for each in self.quarantined],
            "lost_fraction": self.lost_fraction,
            "missing": list(self.missing),
            "missing_fraction": self.missing_fraction,
        }


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
        TooMuchLost: if more than ``max_lost`` (default: the declaration's) was quarantined.
        ServiceUnavailable: if the child process cannot be started.
    """
    declaration = read_declaration(dataset)
    limits = limits or LIMITS
    found = _found(source_folder, declaration, limits)
    raw = dataset / RAW
    digests = Digests(remember)
    done = _brought_in(found.candidates, declaration, raw, limits, progress, digests)
    quarantined = list(found.quarantined)
    quarantined += [Quarantined(name, _portable(reason, source_folder, raw)) for name, reason in done.refused]
    for each in quarantined:
        logger.warning("quarantined %s: %s", each.name, each.reason)
        # what was ingested under this name before no longer has a source
        (raw / "items" / f"{each.name}.json").unlink(missing_ok=True)
    report = IngestReport(
        declaration.name, tuple(done.ingested), tuple(done.skipped), tuple(quarantined), found.missing
    )
    finish(raw, declaration.name, report.quarantined, verified=done.verified)
    digests.save()
    limit = declaration.max_lost if max_lost is None else max_lost
    if report.lost_fraction > limit:
        reasons = [f"{each.name}: {each.reason}" for each in report.quarantined]
        raise TooMuchLost(declaration.name, report.lost_fraction, limit, reasons)
    return report


@dataclass
class _Outcome:
    """Ids that were written, ids that were there already, ids that cannot be used with the reason; verified digests."""

    verified: dict[str, str]
    ingested: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Intact:
    """A registered source whose files are those of the manifest, with their digests by name below the dataset."""

    source: Source
    digests: Mapping[str, str]


def _found(folder: Path, declaration: Declaration, limits: OpenLimits) -> Discovery:
    """What the source of the declaration offers, fetched into the folder where it does not lie there."""
    if isinstance(declaration.layout, StacLayout):
        manners = Manners(downloads=declaration.layout.downloads, most_bytes=limits.file_bytes)
        found = discover_stac(folder, declaration, manners=manners)
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
    intact = _intact(raw, digests)
    known = [(candidate, _provenance(candidate, declaration, digests)) for candidate in candidates]
    outcome = _Outcome(verified={})
    todo = []
    for candidate, properties in known:
        if (found := intact.get(candidate.id)) and _is_same(found.source, properties):
            outcome.skipped.append(candidate.id)
            outcome.verified |= found.digests
        else:
            todo.append((candidate, properties))
    done = len(outcome.skipped)
    if progress and done:
        progress(done, len(candidates), outcome.skipped[-1])
    layers = Layers()
    with ExitStack() as stack:  # no process is started for nothing
        decoders = stack.enter_context(DecoderPool(limits, CHILD, workers=1)) if todo else None
        for index, (candidate, properties) in enumerate(todo, done + 1):
            assert decoders is not None, "there is something to do"
            try:
                read = read_candidate(candidate, declaration, decoders, layers)
                _write(candidate, declaration, raw, read, {**properties, **read.facts})
                outcome.ingested.append(candidate.id)
            except ServiceUnavailable:  # no fault of this candidate
                raise
            except SwathError as error:
                outcome.refused.append((candidate.id, str(error)))
            if progress:
                progress(index, len(candidates), candidate.id)
    return outcome


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
        encodings=encodings(candidate, declaration),
        properties=properties,
    )


def _provenance(candidate: Candidate, declaration: Declaration, digests: Digests) -> dict[str, Any]:
    """What a source is made of and what was done to it: source files with SHA-256, scale and offset applied."""
    sources = {
        role: {"file": f"{path.parent.name}/{path.name}", "sha256": digests.of(path)}
        for role, path in candidate.all_files.items()
    }
    has_own = "swath:radiometry" in candidate.properties  # one a band, from the item of a catalogue
    image = None if has_own else declaration.image
    applied = {"scale": image.scale, "offset": image.offset} if image else {}
    return {
        **candidate.properties,
        "swath:sources": sources,
        "swath:applied": applied,
        "swath:declaration": declaration.digest,
    }


def _intact(raw: Path, digests: Digests) -> dict[str, _Intact]:
    """Registered sources whose files are there and are those of the last manifest; the others are ingested anew."""
    manifest = raw / MANIFEST
    known = json.loads(manifest.read_text())["files"] if manifest.is_file() else {}
    intact = {}
    for item in sorted((raw / "items").glob("*.json")):
        source = Source(*read_item(item))
        named = {path.relative_to(raw).as_posix(): path for path in source.all_files(item)}
        if not all(path.is_file() for path in named.values()):
            continue
        found = {name: digests.of(path) for name, path in named.items()}
        # one that is not in the manifest yet was written whole by a killed ingestion
        if all(digest == known.get(name, {}).get("sha256", digest) for name, digest in found.items()):
            intact[source.id] = _Intact(source, found)
    return intact


def _is_same(source: Source, properties: Mapping[str, Any]) -> bool:
    return all(source.properties.get(key) == value for key, value in properties.items())


def _portable(message: str, folder: Path, raw: Path) -> str:
    """The message without places and random names of this machine, so that quarantine.json is the same elsewhere."""
    unfinished = rf"{re.escape(str(raw))}/\.(.+?)\.[0-9a-f]+{re.escape(PART)}/"
    return re.sub(unfinished, r"\1/", message).replace(f"{folder}/", "")
