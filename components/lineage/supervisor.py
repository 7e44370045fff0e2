"""Runs one command in a process group of its own and ends the whole group when the parent says so or dies.

A script of its own (`python supervisor.py <grace in s> <command> ...`), standard library only: it must outlive a
killed parent just long enough to end what the parent started. The parent holds the other end of standard input and
never writes; end of file means "stop", whether the parent closed it or is gone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_POLL_S = 0.05
_KILLED_WITHIN_S = 10.0


def main(grace_s: float, command: list[str]) -> int:
    """The exit code of the command, 128 + number for a signal; on return nothing of its group is alive."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # see the group end first; a handler is not inherited, SIG_IGN is
    if sys.platform == "linux":  # adopt what the command leaves behind, so that it can be waited for
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stop = threading.Event()
    threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    while child.poll() is None and not stop.wait(_POLL_S):
        pass
    _end(child, grace_s)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _watch_parent(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """SIGTERM to all of the group, time to write checkpoints, then SIGKILL; returns when the group is empty."""
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILLED_WITHIN_S)):
        if not _alive(child):
            return
        os.killpg(child.pid, number)
        ends = time.monotonic() + seconds
        while _alive(child) and time.monotonic() < ends:
            time.sleep(_POLL_S)


def _alive(child: subprocess.Popen[bytes]) -> bool:
    if child.poll() is not None:  # only then, or the child's own exit code would be taken away from it
        _reap_adopted(child.pid)
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _reap_adopted(group: int) -> None:
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
