"""What stands in a dataset already, and whether a candidate is what it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.ingestion.candidates import Candidate
from components.ingestion.declaration import Declaration
from components.ingestion.digests import Digests
from components.ingestion.roles import ImageDeclaration
from components.raster.dataset import MANIFEST, Source
from components.raster.items import read_item


@dataclass(frozen=True)
class Intact:
    """A registered source whose files are those of the manifest, with their digests by name below the dataset."""

    source: Source
    digests: Mapping[str, str]

    def is_made_of(self, properties: Mapping[str, Any]) -> bool:
        """True where the source was made of these files in this way; it may say more of itself."""
        return all(self.source.properties.get(key) == value for key, value in properties.items())


def provenance_of(candidate: Candidate, declaration: Declaration, digests: Digests) -> dict[str, Any]:
    """What a source is made of and what is done to it: source files with SHA-256, scale and offset applied."""
    sources = {
        role: {"file": f"{path.parent.name}/{path.name}", "sha256": digests.of(path)}
        for role, path in candidate.all_files.items()
    }
    return {
        **candidate.properties,
        "swath:sources": sources,
        "swath:applied": _applied(candidate, declaration),
        "swath:declaration": declaration.digest,
    }


def _applied(candidate: Candidate, declaration: Declaration) -> dict[str, Any]:
    """Scale and offset of the dataset; of each role where they differ; empty where each item has its own."""
    if "swath:radiometry" in candidate.properties:
        return {}
    if declaration.images:
        images = {role: declaration.image_of(role) for role in declaration.image_roles}
        return {role: _of_file(each, candidate.files.get(role)).applied for role, each in images.items() if each}
    return dict(declaration.image.applied) if declaration.image else {}


def _of_file(image: ImageDeclaration, path: Path | None) -> ImageDeclaration:
    return image.of_file(path) if path else image


def intact_sources(raw: Path, digests: Digests) -> dict[str, Intact]:
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
            intact[source.id] = Intact(source, found)
    return intact
