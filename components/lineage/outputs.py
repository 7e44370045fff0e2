"""Proof that data is what lineage says, before it is used; and the manifests that make the proof possible.

A digest is looked up where it is hardest to change: in the manifest that git holds for the stage, else among those
that this project has proved before. Data that nobody has a manifest of yet is checked against DVC's own listing, and
has a manifest from then on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from components.errors import DataMissing, LineageBroken
from components.lineage.checkouts import Checkout
from components.lineage.manifest import FOLDER, digests, read_manifest, verify, verify_dvc, write_manifest
from components.lineage.pipeline import Pipeline, Stage, out_hash
from components.lineage.remote import object_path


def prove(checkout: Checkout, path: str, pipeline: Pipeline | None = None) -> Mapping[str, str]:
    """SHA-256 of every file of a DVC output at ``path``, once each is shown to be the recorded one.

    Raises:
        LineageBroken: names the files that are not; or says that nobody recorded this output.
    """
    stage = (pipeline or Pipeline(checkout.path)).maker(path)
    recorded = out_hash(checkout.path, stage, path) if stage else None
    if stage is None or recorded is None:
        raise LineageBroken(f"{path}: no stage has recorded this output; run the stage that makes it")
    place, local = checkout.path / path, _local(checkout, recorded)
    known = _in_git(checkout, stage, path, recorded) or read_manifest(local).get("files")
    if known is None:
        verify_dvc(place, listing(checkout, recorded), path)
        found = digests(place)
        write_manifest(local, {"files": found})
        return found
    verify(place, cast("Mapping[str, str]", known), path)
    return cast("Mapping[str, str]", known)


def record(checkout: Checkout, stage: Stage, pipeline: Pipeline | None = None) -> None:
    """The manifest of a stage's outputs (or of a tracked folder), proved and written where git will hold it.

    Raises:
        LineageBroken: if an output is not what was recorded.
    """
    content: dict[str, object] = {
        path: {"dvc": out_hash(checkout.path, stage, path), "files": prove(checkout, path, pipeline)}
        for path in stage.outs
    }
    if content:
        write_manifest(checkout.path / manifest_path(stage), content)


def manifest_path(stage: Stage) -> str:
    """Where git holds the manifest of a stage, relative to the project."""
    return f"{FOLDER}/{stage.name.removeprefix('data/').removesuffix('.dvc').replace('/', '-')}.json"


def _in_git(checkout: Checkout, stage: Stage, path: str, recorded: str) -> object:
    entry = read_manifest(checkout.path / manifest_path(stage)).get(path, {})
    return entry.get("files") if entry.get("dvc") == recorded else None


def _local(checkout: Checkout, recorded: str) -> Path:
    return checkout.project / ".swath" / "manifests" / f"{recorded}.json"


def listing(checkout: Checkout, recorded: str) -> dict[str, str]:
    """MD5 by file name as DVC recorded them: of one file, or from the listing of a folder in the cache."""
    if not recorded.endswith(".dir"):
        return {".": recorded}
    path = object_path(checkout.cache, recorded)
    if not path.is_file():
        raise DataMissing(f"{path} is not in the cache; pull it first")
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != recorded.removesuffix(".dir"):
        raise LineageBroken(f"{path}: the listing of a folder is not the recorded one; remove it and pull again")
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
