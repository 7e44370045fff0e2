"""Commands that must not outlive us: everything they start ends before we go on, whatever happens here."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.errors import StageFailed

GRACE_S = 20.0
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_TAIL = 40  # lines kept for the error message


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself: exit code and its last lines."""

    code: int
    tail: tuple[str, ...]


def run_group(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Finished:
    """A command run to its end in a process group of its own; its lines go to ``on_line`` as they come.

    When this call ends early (Ctrl-C, a cancelled flow, SIGTERM turned into an exception, an error in ``on_line``) the
    whole group gets SIGTERM, ``grace_s`` seconds to write what it must, then SIGKILL; so it does when we are killed.

    Raises:
        StageFailed: if it takes longer than ``timeout_s``.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", str(_SUPERVISOR), str(grace_s), *command],
        cwd=folder, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    expired = threading.Event()
    timer = threading.Timer(timeout_s or 0.0, _stop, (process, expired)) if timeout_s else None
    try:
        if timer:
            timer.start()
        tail = _lines(process, on_line)
        code = process.wait()
    finally:
        if timer:
            timer.cancel()
        _ended(process, grace_s)
    if expired.is_set():
        raise StageFailed(f"{' '.join(command[-3:])}: took longer than {timeout_s:.0f} s; raise the limit or ask why")
    return Finished(code, tail)


def _lines(process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> tuple[str, ...]:
    tail: list[str] = []
    output: IO[str] | None = process.stdout
    for line in output or ():
        tail = [*tail[-_TAIL:], line.rstrip("\n")]
        if on_line:
            on_line(line.rstrip("\n"))
    return tuple(tail)


def _stop(process: subprocess.Popen[str], expired: threading.Event) -> None:
    expired.set()
    if process.stdin:
        process.stdin.close()


def _ended(process: subprocess.Popen[str], grace_s: float) -> None:
    """Closing its input tells the supervisor to end the group; a second Ctrl-C must not cut the wait short."""
    if process.stdin:
        process.stdin.close()
    ends = time.monotonic() + grace_s + 15.0
    while process.poll() is None and time.monotonic() < ends:
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            continue
    if process.poll() is None:
        process.kill()
    if process.stdout:
        process.stdout.close()
    process.wait()
