"""Locks between processes: held by the kernel, so a killed holder frees its lock by dying."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from components.errors import LineageBroken

logger = logging.getLogger(__name__)

POLL_S = 0.05
SLOWEST_POLL_S = 0.5


@contextmanager
def held(path: Path, what: str, timeout_s: float) -> Iterator[bool]:
    """The lock at ``path`` for the length of a `with`; waits for whoever has it, thread or process.

    Yields:
        Whether somebody else had it first.

    Raises:
        LineageBroken: if it is not free within ``timeout_s``; names the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        waited = _wait(file.fileno(), path, what, timeout_s)
        file.truncate(0)
        file.write(f"process {os.getpid()}: {what}")
        file.flush()
        yield waited  # closing the file frees the lock; the file stays, removing it would let two in


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock at ``path`` now."""
    try:
        with path.open("r+") as file:
            return _taken(file.fileno())
    except FileNotFoundError:
        return True


def project_lock(project: Path, what: str, timeout_s: float = 600.0) -> AbstractContextManager[bool]:
    """The one lock around calls that change the project's git repository or move bytes to and from the remote."""
    return held(project / ".swath" / "locks" / "project.lock", what, timeout_s)


def _wait(handle: int, path: Path, what: str, timeout_s: float) -> bool:
    if _taken(handle):
        return False
    holder = path.read_text() or "somebody"
    logger.info("%s waits for %s", what, holder)
    ends, pause = time.monotonic() + timeout_s, POLL_S
    while not _taken(handle):
        if time.monotonic() > ends:
            raise LineageBroken(
                f"{what}: {path} was not free within {timeout_s:.0f} s, held by {path.read_text() or 'somebody'}; "
                "wait for it or end that process"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, SLOWEST_POLL_S)
    return True


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
