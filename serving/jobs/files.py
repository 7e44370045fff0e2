"""The objects of jobs in the store: inputs and results, below one prefix a job, content-addressed within it.

Jobs share no object, not even where bytes are equal: so what belongs to a job is removed with it, and a removal can
never meet somebody who just found the object to be there already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.errors import StoreUnavailable
from components.storage.store import Stat, Store, blob_key
from serving.jobs.addresses import Address

logger = logging.getLogger(__name__)
ROOT = "jobs"
ORPHANED_AFTER = timedelta(days=1)  # far longer than between storing an input and committing its row


@dataclass(frozen=True)
class JobFiles:
    """The objects of one job table, ``table`` by name."""

    store: Store
    table: str

    def put_input(self, job: str, path: Path) -> None:
        """An input of a job, stored."""
        self.store.put_file(path, self._prefix(job, "inputs"))

    def put_result(self, job: str, path: Path) -> None:
        """The result of a job, stored."""
        self.store.put_file(path, self._prefix(job, "result"))

    def get_input(self, job: str, digest: str, path: Path) -> str:
        """The SHA-256 of an input, fetched to ``path``.

        Raises:
            ObjectNotFound: if there is none.
        """
        return self.store.get_file(blob_key(digest, self._prefix(job, "inputs")), path)

    def read_result(self, job: str, digest: str, start: int, length: int) -> bytes:
        """Some bytes of the result.

        Raises:
            ObjectNotFound: if it is gone.
        """
        return self.store.get_range(blob_key(digest, self._prefix(job, "result")), start, length)

    def stat_object(self, address: Address) -> Stat:
        """What the store knows of an object of another bucket.

        Raises:
            ObjectNotFound: if there is none.
        """
        return self._bucket(address).stat(address.key)

    def get_object(self, address: Address, path: Path) -> str:
        """The SHA-256 of an object of another bucket, fetched to ``path``."""
        return self._bucket(address).get_file(address.key, path)

    def remove(self, job: str, *, result: bool = True) -> bool:
        """True where a job's inputs (and ``result``) are gone; False where the store could not be asked."""
        try:
            for stat in self.store.list(self._prefix(job, "") if result else self._prefix(job, "inputs/")):
                self.store.remove(stat.key)
        except StoreUnavailable as error:
            logger.warning("objects of job %s stay until the next sweep: %s", job, error)
            return False
        return True

    def stored_jobs(self) -> Iterator[str]:
        """Jobs with objects that nobody changed for a day, by id."""
        before = datetime.now(UTC) - ORPHANED_AFTER
        old = (
            stat.key for stat in self.store.list(f"{ROOT}/{self.table}/") if stat.modified and stat.modified < before
        )
        yield from sorted({key.split("/")[2] for key in old})

    def _prefix(self, job: str, what: str) -> str:
        return f"{ROOT}/{self.table}/{job}/{what}"

    def _bucket(self, address: Address) -> Store:
        return Store(replace(self.store.access, bucket=address.bucket), self.store.patience)
