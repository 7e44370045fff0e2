"""Our own SHA-256 of every file of an output: DVC alone takes a flipped byte for the data."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from components.errors import LineageBroken

FOLDER = "data/lineage"  # in git, one file a stage
_BLOCK = 1 << 20
Digests = Mapping[str, str]


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    return _digest(path, "sha256")


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of every file below ``path`` by relative name, sorted; of a single file under the name `.`.

    Raises:
        LineageBroken: if there is nothing at ``path``.
    """
    return {name: sha256(file) for name, file in _files(path)}


def verify(path: Path, expected: Digests, where: str | None = None) -> None:
    """Nothing, if ``path`` holds exactly the expected files with exactly the expected bytes.

    Raises:
        LineageBroken: names every file that is changed, missing or too many, with its digests.
    """
    found = digests(path)
    wrong = [
        f"{where or path}/{name}: {_difference(expected.get(name), found.get(name))}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]
    if wrong:
        raise LineageBroken(
            f"{'; '.join(wrong)}; restore it from a good copy (dvc push from another machine), use none"
        )


def verify_dvc(path: Path, listing: Digests, where: str) -> None:
    """Nothing, if ``path`` holds exactly the files that DVC recorded, by MD5: the check where no manifest exists yet.

    Raises:
        LineageBroken: names every file that differs.
    """
    found = {name: _digest(file, "md5") for name, file in _files(path)}
    wrong = [
        f"{where}/{name}: {_difference(listing.get(name), found.get(name))}"
        for name in sorted({*listing, *found})
        if listing.get(name) != found.get(name)
    ]
    if wrong:
        raise LineageBroken(
            f"{'; '.join(wrong)}; restore it from a good copy (dvc push from another machine), use none"
        )


def write_manifest(path: Path, content: Mapping[str, object]) -> None:
    """A manifest as sorted JSON, put in place in one step; the same content gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    partial.rename(path)


def read_manifest(path: Path) -> dict[str, dict[str, object]]:
    """A manifest; empty if there is none.

    Raises:
        LineageBroken: if it is not JSON.
    """
    try:
        content: dict[str, dict[str, object]] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LineageBroken(f"{path} is no manifest: {error}; restore it with git checkout") from error
    return content


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(".", path)]
    if not path.is_dir():
        raise LineageBroken(f"{path} is not there; pull it or make it first")
    return sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _difference(expected: str | None, found: str | None) -> str:
    if found is None:
        return "missing"
    if expected is None:
        return "not in the manifest"
    return f"digest {found[:16]} instead of {expected[:16]}"
