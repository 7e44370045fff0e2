"""Private folders that are gone after every outcome: at once, or swept when whoever held them was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A fresh folder below ``root``, readable by us only, for as long as the context lasts.

    A lock file beside it is held meanwhile; the system lets it go when the process dies, however it dies.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = uuid.uuid4().hex
    lock, folder = _taken(root / f"{name}{LOCK}"), root / name
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (root / f"{name}{LOCK}").unlink(missing_ok=True)
        os.close(lock)


def sweep(root: Path) -> int:
    """How many folders of dead processes were below ``root``; they are gone."""
    swept = 0
    for path in root.glob(f"*{LOCK}"):
        with suppress(OSError):  # held by a living process, or swept by another one just now
            lock = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
                swept += 1
            finally:
                os.close(lock)
    return swept


def _taken(path: Path) -> int:
    """The descriptor of a new lock file that we hold; taken again where a sweep came between making and locking."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == path.stat().st_ino:
                return lock
        os.close(lock)
