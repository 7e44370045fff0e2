"""SHA-256 of files that need not be read again while size, times and inode say that nobody has written to them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from components.raster.atomic import write_text
from components.raster.dataset import sha256

# A file written in the very moment in which it was read could change without its times showing it.
SETTLED_NS = 2_000_000_000
Stamp = list[int]  # size, last change of content, last change of anything, inode


class Digests:
    """Digests by path, kept in a file between runs; without a file, for this run only."""

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        known = json.loads(store.read_text()) if store and store.is_file() else {}
        self._known: dict[str, tuple[Stamp, str]] = {name: (stamp, digest) for name, (stamp, digest) in known.items()}
        self._used: dict[str, tuple[Stamp, str]] = {}

    def of(self, path: Path) -> str:
        """The SHA-256 of a file as 64 hexadecimal digits.

        Raises:
            OSError: if it cannot be read.
        """
        name, stamp = str(path.absolute()), _stamp(path)
        earlier = self._used.get(name) or self._known.get(name)
        digest = earlier[1] if earlier and earlier[0] == stamp else sha256(path)
        if time.time_ns() - max(stamp[1], stamp[2]) > SETTLED_NS:
            self._used[name] = (stamp, digest)
        return digest

    def save(self) -> None:
        """The digests of what was asked for in this run, for the next one."""
        if self._store is not None:
            write_text(self._store, json.dumps(self._used))


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
