"""Files that are complete or not there: written under a temporary name beside their own, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # what a killed write leaves behind ends so; nothing reads it and `dataset.finish` removes it


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when all went well and is gone otherwise.

    Raises:
        OSError: if the disk is full or the folder cannot be written; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PART}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """The text as a UTF-8 file with Unix line ends on every system.

    Raises:
        OSError: as `atomic`.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())
