"""What a process gives up for good before it parses bytes from outside. Linux; elsewhere only what POSIX knows."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_PARENT_DEATH, _NO_NEW_PRIVILEGES = 1, 38


def confine(memory_bytes: int, open_files: int, parent: int) -> bool:
    """This process from now on: no network, no file written, no core dump, bounded memory; ends with its parent.

    Call it before anything starts a thread: the kernel moves only a single thread into another network. True where
    there is no network from now on; the kernel, or the container around it, can refuse that.
    """
    cut_off = cut_network()
    _die_with(parent)
    limits = {
        resource.RLIMIT_AS: _address_space() + memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: open_files,
    }
    for what, limit in limits.items():
        resource.setrlimit(what, (_at_most(limit, what),) * 2)
    return cut_off


def cut_network() -> bool:
    """True where this process now is in a network of its own that leads nowhere, and can gain no privilege."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    gone = libc.unshare(_NEW_USER | _NEW_NETWORK) == 0
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(gone)


def grant_cpu(seconds: int) -> None:
    """``seconds`` more of processor time; the kernel ends this process (SIGXCPU) when they are used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _address_space() -> int:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 2 * 1024**3


def _at_most(limit: int, what: int) -> int:
    hard = resource.getrlimit(what)[1]
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)
