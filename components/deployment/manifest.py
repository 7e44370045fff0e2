"""What a version is made of: its files with their SHA-256, and the refusal of anything else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.errors import BadParams, VersionCorrupt
from components.storage.store import file_digest

MANIFEST = "manifest.json"
ID_LENGTH = 16  # hexadecimal digits: two versions of a run never meet by chance
# Plain data only. Nothing that a loader could execute (.pt, .pkl, .npy) is ever part of a version.
SUFFIXES = (".safetensors", ".json", ".yaml", ".parquet")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.=-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_RUN = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Version:
    """An immutable version of a run: the SHA-256 of every file by relative name."""

    run: str
    id: str
    digests: Mapping[str, str]


def version_of(content: bytes) -> Version:
    """The version that a manifest describes; its id is the digest of these bytes.

    Raises:
        VersionCorrupt: if it is no manifest or names a file that a version must not hold.
    """
    identifier = hashlib.sha256(content).hexdigest()[:ID_LENGTH]
    try:
        raw = json.loads(content)
        version = Version(require_run(raw["run"]), identifier, dict(raw["files"]))
    except (ValueError, KeyError, TypeError, BadParams) as error:
        raise VersionCorrupt(identifier, f"{MANIFEST} is none ({error})") from error
    for name in version.digests:
        _require_name(name, identifier)
    return version


def write_manifest(run: str, folder: Path) -> Version:
    """The version made of the files in ``folder``, whose manifest is written beside them.

    Raises:
        VersionCorrupt: names the first file that a version must not hold.
    """
    files = {name: file_digest(folder / name) for name in _files(folder, run)}
    content = json.dumps({"run": require_run(run), "files": files}, sort_keys=True, indent=1).encode()
    version = version_of(content)
    (folder / MANIFEST).write_bytes(content)
    return version


def verify_folder(folder: Path) -> Version:
    """The version in ``folder``, every file of which was hashed again.

    Raises:
        VersionCorrupt: names the file that is missing, changed or too much.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise VersionCorrupt(str(folder), f"{MANIFEST} is missing")
    version = version_of(path.read_bytes())
    found = set(_files(folder, version.id))
    for name in sorted(found ^ version.digests.keys()):
        raise VersionCorrupt(version.id, f"{name} {'is not in the manifest' if name in found else 'is missing'}")
    for name, digest in version.digests.items():
        if file_digest(folder / name) != digest:
            raise VersionCorrupt(version.id, f"{name} holds other bytes than the manifest names")
    return version


def require_run(run: str) -> str:
    """The name itself where it can name a run.

    Raises:
        BadParams: if it has other characters than small letters, digits and hyphens.
    """
    if not _RUN.fullmatch(run):
        raise BadParams(f"run {run!r}", "a run is named with small letters, digits and hyphens")
    return run


def _files(folder: Path, version: str) -> list[str]:
    """Relative names of all files but the manifest, sorted; links are refused."""
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise VersionCorrupt(version, f"{name} is a link")
        if path.is_file() and name != MANIFEST:
            names.append(_require_name(name, version))
    return names


def _require_name(name: str, version: str) -> str:
    if not _NAME.fullmatch(name):
        raise VersionCorrupt(version, f"{name!r} is no name for a file of a version")
    if not name.endswith(SUFFIXES):
        raise VersionCorrupt(version, f"{name} is none of {', '.join(SUFFIXES)}")
    return name
