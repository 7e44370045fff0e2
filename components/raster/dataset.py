"""The folder of an ingested dataset: COGs, one STAC item a source, one SHA-256 manifest.

A source counts from the moment its item stands in `items/`; everything before that is invisible, so a killed write
leaves nothing registered. `manifest.json` closes the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.errors import LineageBroken
from components.raster.atomic import PART, write_text
from components.raster.cog import Encoding, write_scene
from components.raster.items import item_of, read_item
from components.raster.scene import Features, Scene
from components.raster.vector_files import VECTORS, write_features

MANIFEST, QUARANTINE = "manifest.json", "quarantine.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Source:
    """One ingested item of a dataset: rasters by role (`before`, `after`, `mask`), and where it lies."""

    id: str
    place: str
    files: Mapping[str, Path]
    properties: Mapping[str, Any] = field(default_factory=dict)
    vectors: Mapping[str, Path] = field(default_factory=dict)  # GeoParquet by role, see `vector_files`

    def all_files(self, item: Path) -> tuple[Path, ...]:
        """Its STAC item, its rasters and its vectors."""
        return (item, *self.files.values(), *self.vectors.values())


@dataclass(frozen=True)
class Quarantined:
    """A source that was left out, and why."""

    name: str
    reason: str


def write_source(
    folder: Path,
    id: str,
    place: str,
    scenes: Mapping[str, Scene],
    *,
    encodings: Mapping[str, Encoding] | None = None,
    properties: Mapping[str, Any] | None = None,
    features: Mapping[str, Features] | None = None,
) -> Source:
    """The scenes by role as COGs under `scenes/<id>/` with the item `items/<id>.json`; replaces an older one.

    ``features`` (boxes, polygons) go beside them as GeoParquet, one file a role.

    Raises:
        ValueError: if ``id`` or a role is no plain file name.
        BadScene: if a scene does not fit its encoding.
        OSError: if the folder cannot be written; nothing is registered then.
    """
    features = features or {}
    for name in (id, *scenes, *features):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} must be letters, digits, dots, dashes and underscores")
    item = item_of(id, place, scenes, encodings or {}, properties or {}, tuple(features))
    home, registered = folder / "scenes" / id, folder / "items" / f"{id}.json"
    temporary = folder / f".{id}.{secrets.token_hex(4)}{PART}"
    try:
        for role, scene in scenes.items():
            write_scene(scene, temporary / f"{role}.tif", (encodings or {}).get(role))
        for role, each in features.items():
            write_features(each, temporary / f"{role}{VECTORS}")
        registered.unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(home)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_text(registered, _as_json(item))
    vectors = {role: home / f"{role}{VECTORS}" for role in features}
    return Source(id, place, {role: home / f"{role}.tif" for role in scenes}, dict(properties or {}), vectors)


def read_sources(folder: Path) -> tuple[Source, ...]:
    """The registered sources, sorted by id; empty for a folder that holds none.

    Raises:
        LineageBroken: if a file that an item names is missing; names both.
    """
    sources = tuple(Source(*read_item(path)) for path in sorted((folder / "items").glob("*.json")))
    for source in sources:
        for role, path in {**source.files, **source.vectors}.items():
            if not path.is_file():
                raise LineageBroken(f"{folder}: {source.id} has no file for {role} ({path.name}); ingest it anew")
    return tuple(sorted(sources, key=lambda source: source.id))


def finish(
    folder: Path,
    dataset: str,
    quarantined: Sequence[Quarantined] = (),
    *,
    verified: Mapping[str, str] | None = None,
) -> None:
    """The folder closed: leftovers of killed writes removed, the quarantine and the manifest written.

    ``verified`` holds the SHA-256 of files (by name below the folder) that the caller has just checked.

    Raises:
        LineageBroken: if a file that an item names is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = read_sources(folder)
    _remove_leftovers(folder, {source.id for source in sources})
    lost = sorted((asdict(each) for each in quarantined), key=lambda each: (each["name"], each["reason"]))
    fraction = len(lost) / max(len(lost) + len(sources), 1)
    write_text(folder / QUARANTINE, _as_json({"lost_fraction": round(fraction, 6), "quarantined": lost}))
    known = verified or {}
    files = {
        name: {"sha256": known.get(name) or sha256(path), "bytes": path.stat().st_size} for name, path in _files(folder)
    }
    write_text(folder / MANIFEST, _as_json({"dataset": dataset, "sources": len(sources), "files": files}))


def verify_manifest(folder: Path) -> None:
    """Nothing where every file is the one that the manifest names, and there is no other.

    Raises:
        LineageBroken: names the file that is missing, changed or too many.
    """
    try:
        expected = json.loads((folder / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LineageBroken(f"{folder} has no readable {MANIFEST}; run its ingestion to the end") from error
    found = dict(_files(folder))
    for name in sorted({*expected, *found}):
        if name not in found:
            raise LineageBroken(f"{folder}: {name} is missing; restore it with `dvc checkout` or ingest anew")
        if name not in expected:
            raise LineageBroken(f"{folder}: {name} is not in the manifest; remove it or ingest anew")
        if sha256(found[name]) != expected[name]["sha256"]:
            raise LineageBroken(f"{folder}: {name} is not the file of the manifest (SHA-256); restore it")


def sha256(path: Path) -> str:
    """The digest of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return sorted((name, path) for name, path in found.items() if name != MANIFEST)


def _remove_leftovers(folder: Path, ids: set[str]) -> None:
    for path in sorted(folder.rglob(f".*{PART}")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for home in sorted((folder / "scenes").glob("*")):
        if home.name not in ids:
            shutil.rmtree(home)


def _as_json(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
