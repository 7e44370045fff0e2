"""Versions and promotion in the object store: immutable content, and one pointer a run."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.deployment.manifest import (
    ID_LENGTH,
    MANIFEST,
    Version,
    require_run,
    verify_folder,
    version_of,
    write_manifest,
)
from components.deployment.promotion import Action, Promotion, appended, current, from_json, previous, to_json
from components.errors import ObjectNotFound, PromotionConflict, VersionCorrupt, VersionNotFound
from components.storage.store import Store, blob_key

POINTERS = "registry"
VERSIONS = "versions"
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
_POINTER = re.compile(rf"{POINTERS}/([a-z0-9][a-z0-9-]*)/promoted\.json")


class Unchecked:
    """The wish to move the pointer from wherever it stands."""


ANY: Final = Unchecked()
Expected = str | None | Unchecked


class Registry:
    """All versions of all runs, and which of them are in service."""

    def __init__(self, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store, self._now = store, now

    def register(self, run: str, folder: Path) -> Version:
        """The version made of ``folder``; registering the same bytes again gives the same version.

        The manifest is stored last, so a registration that was cut short leaves no version.

        Raises:
            VersionCorrupt: if the folder holds what a version must not hold, or is not what its manifest says.
        """
        version = verify_folder(folder) if (folder / MANIFEST).is_file() else write_manifest(run, folder)
        if version.run != run:
            raise VersionCorrupt(version.id, f"it is a version of {version.run}, not of {run}")
        for name in version.digests:
            self.store.put_file(folder / name)
        self.store.put_new(_manifest_key(run, version.id), (folder / MANIFEST).read_bytes())
        return version

    def version(self, run: str, version_id: str) -> Version:
        """What the manifest of a version says.

        Raises:
            VersionNotFound: if there is no such version.
            VersionCorrupt: if the manifest is not the one that gave the version its id.
        """
        return version_of(self._manifest(run, version_id))

    def versions(self, run: str) -> tuple[str, ...]:
        """Ids of all versions of a run, the one registered last first."""
        prefix = f"{VERSIONS}/{require_run(run)}/"
        oldest = datetime.min.replace(tzinfo=UTC)
        found = sorted(self.store.list(prefix), key=lambda stat: stat.modified or oldest, reverse=True)
        return tuple(stat.key.removeprefix(prefix).removesuffix(".json") for stat in found)

    def pointers(self) -> Mapping[str, str]:
        """The entity tag of every run's pointer by run: what changes when a promotion happens."""
        try:
            stats = self.store.list(f"{POINTERS}/")
        except ObjectNotFound:  # no bucket yet, so nothing was ever promoted
            return {}
        found = ((_POINTER.fullmatch(stat.key), stat.etag) for stat in stats)
        return {match[1]: etag for match, etag in found if match}

    def promoted(self, run: str) -> Promotion | None:
        """The move that put today's version into service; None where no version of the run is."""
        return current(self.history(run))

    def moved(self, run: str, since: str | None) -> tuple[Promotion | None, str] | None:
        """Today's promotion and the tag of the pointer; None where the pointer is still at ``since``.

        A pointer that did not move costs one conditional request without content. A run without pointer has tag "".
        """
        key = _pointer_key(run)
        try:
            blob = self.store.get_if_changed(key, since) if since else self.store.get(key)
        except ObjectNotFound:
            return None if since == "" else (None, "")
        return (current(from_json(blob.data, key)), blob.etag) if blob else None

    def history(self, run: str) -> tuple[Promotion, ...]:
        """Every move of the run's pointer, the oldest first."""
        return tuple(self._moves(run)[0])

    def promote(self, run: str, version_id: str, expected: Expected = ANY) -> Promotion:
        """The move that put the version into service; today's again where it already is.

        Raises:
            VersionNotFound: if there is no such version.
            PromotionConflict: if the version in service is not ``expected``, or somebody else was faster.
        """
        self._manifest(run, version_id)
        return self._move(run, "promote", lambda _: version_id, expected)

    def rollback(self, run: str, expected: Expected = ANY) -> Promotion:
        """The move back to the version that was in service before.

        Raises:
            VersionNotFound: if there was none before.
            PromotionConflict: as for `promote`.
        """
        return self._move(run, "rollback", previous, expected)

    def withdraw(self, run: str, expected: Expected = ANY) -> Promotion:
        """The move that leaves the run without a version in service.

        Raises:
            PromotionConflict: as for `promote`.
        """
        return self._move(run, "withdraw", lambda _: None, expected)

    def fetch(self, run: str, version_id: str, cache: Path) -> Path:
        """The folder of a version under ``cache``, every file of which was hashed again.

        Raises:
            VersionNotFound: if there is no such version.
            VersionCorrupt: names the file that is missing, changed or too much, in the store or in the cache.
        """
        folder = cache / require_run(run) / version_id
        if not folder.is_dir():
            self._download(run, version_id, folder)
        found = verify_folder(folder)
        if (found.run, found.id) != (run, version_id):
            raise VersionCorrupt(version_id, f"{folder} holds {found.run} {found.id}")
        return folder

    def _download(self, run: str, version_id: str, folder: Path) -> None:
        content = self._manifest(run, version_id)
        partial = folder.with_name(f".{version_id}.{uuid.uuid4().hex[:8]}")
        try:
            for name, digest in version_of(content).digests.items():
                self._download_file(version_id, digest, partial, name)
            (partial / MANIFEST).write_bytes(content)
            if not folder.is_dir():  # somebody else may have fetched the same bytes meanwhile
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _download_file(self, version_id: str, digest: str, folder: Path, name: str) -> None:
        try:
            found = self.store.get_file(blob_key(digest), folder / name)
        except ObjectNotFound as error:
            raise VersionCorrupt(version_id, f"{name} is missing from the store") from error
        if found != digest:
            raise VersionCorrupt(version_id, f"{name} holds other bytes than the manifest names")

    def _manifest(self, run: str, version_id: str) -> bytes:
        if not _ID.fullmatch(version_id):
            raise VersionNotFound(f"{version_id!r} is no version id; `swath runs` lists them")
        try:
            content = self.store.get(_manifest_key(run, version_id)).data
        except ObjectNotFound as error:
            raise VersionNotFound(f"{run} has no version {version_id}; `swath runs` lists them") from error
        version = version_of(content)
        if (version.run, version.id) != (run, version_id):
            raise VersionCorrupt(version_id, f"its {MANIFEST} was edited")
        return content

    def _moves(self, run: str) -> tuple[list[Promotion], str | None]:
        """Every move of a run's pointer, and the entity tag to swap it at."""
        key = _pointer_key(run)
        try:
            blob = self.store.get(key)
        except ObjectNotFound:
            return [], None
        return from_json(blob.data, key), blob.etag

    def _move(
        self, run: str, action: Action, choose: Callable[[list[Promotion]], str | None], expected: Expected
    ) -> Promotion:
        moves, etag = self._moves(run)
        today = moves[-1].version if moves else None
        if not isinstance(expected, Unchecked) and today != expected:
            raise PromotionConflict(run, str(today))
        wanted = choose(moves)
        if moves and wanted == today and action != "rollback":
            return moves[-1]
        after = appended(moves, run, wanted, action, self._now())
        if self.store.compare_and_swap(_pointer_key(run), to_json(after), etag) is None:
            latest = self._moves(run)[0]
            raise PromotionConflict(run, str(latest[-1].version if latest else None))
        return after[-1]


def _pointer_key(run: str) -> str:
    return f"{POINTERS}/{require_run(run)}/promoted.json"


def _manifest_key(run: str, version_id: str) -> str:
    return f"{VERSIONS}/{require_run(run)}/{version_id}.json"
