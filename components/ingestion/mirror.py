"""A prefix of an S3 bucket as a source folder: listed once, only new and changed objects fetched."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.errors import ObjectNotFound, SourceUnavailable
from components.raster.atomic import write_text
from components.storage.store import Stat, Store

logger = logging.getLogger(__name__)
INDEX = ".mirror.json"  # beside the files: relative name -> entity tag, size


@dataclass(frozen=True)
class MirrorReport:
    """What became of the objects below a prefix: how many were fetched, stayed, vanished; and which were refused."""

    fetched: int
    unchanged: int
    removed: int
    refused: tuple[str, ...] = ()  # keys that are no file names


def mirror(store: Store, prefix: str, folder: Path, *, downloads: int = 8) -> MirrorReport:
    """The objects below ``prefix`` as files below ``folder``, by the rest of their keys.

    The listing says entity tag and size of a thousand objects a request; nothing is asked for object by object. A file
    whose tag and size are those of the last time stays; what is gone from the prefix is removed, other files of the
    folder are left alone. Each object appears whole or not at all, and what was fetched before a failure is kept.

    Raises:
        SourceUnavailable: if there is nothing below the prefix, or an object has another size than was listed.
        StoreUnavailable: if the store does not answer.
    """
    base = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    listed = {stat.key.removeprefix(base): stat for stat in store.list(base) if not stat.key.endswith("/")}
    if not listed:
        raise SourceUnavailable(f"{store.access.endpoint}/{store.access.bucket}/{base}: no object lies below it")
    refused = tuple(sorted(name for name in listed if not _is_file_name(name)))
    wanted = {name: stat for name, stat in listed.items() if name not in set(refused)}
    known = _read_index(folder)
    stale = [name for name, stat in wanted.items() if not _is_here(folder / name, stat, known.get(name))]
    fresh = {name: entry for name, entry in known.items() if name in wanted and name not in set(stale)}
    try:
        _fetch(store, {name: wanted[name] for name in stale}, folder, downloads, fresh)
    finally:
        gone = [name for name in known if name not in wanted]
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        write_text(folder / INDEX, json.dumps(fresh, sort_keys=True))
    for name in refused:
        logger.warning("left out %s: the key is no plain path", name)
    return MirrorReport(len(stale), len(wanted) - len(stale), len(gone), refused)


def _fetch(
    store: Store, stale: Mapping[str, Stat], folder: Path, downloads: int, fresh: dict[str, list[object]]
) -> None:
    """Every stale file fetched and noted in ``fresh``; a failure is raised once nothing is under way any more."""

    def fetch(name: str) -> None:
        stat, path = stale[name], folder / name
        try:
            store.get_file(stat.key, path)
        except ObjectNotFound as error:
            raise SourceUnavailable(f"{stat.key}: vanished while it was read; run it again") from error
        if path.stat().st_size != stat.size:
            path.unlink()
            raise SourceUnavailable(f"{stat.key}: changed while it was read; run it again")
        fresh[name] = _entry(stat)

    with ThreadPoolExecutor(downloads) as pool:
        list(pool.map(fetch, stale))


def _is_here(path: Path, stat: Stat, entry: list[object] | None) -> bool:
    if entry != _entry(stat):
        return False
    try:
        return path.stat().st_size == stat.size
    except FileNotFoundError:
        return False


def _entry(stat: Stat) -> list[object]:
    return [stat.etag, stat.size]


def _read_index(folder: Path) -> dict[str, list[object]]:
    path = folder / INDEX
    return json.loads(path.read_text()) if path.is_file() else {}


def _is_file_name(name: str) -> bool:
    """True where a key stays below the folder: keys come from outside."""
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and not {"..", "."} & set(parts) and "\\" not in name
