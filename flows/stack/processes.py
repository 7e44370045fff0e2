"""One server process: started in a group of its own, watched until ready, stopped for certain."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from components.errors import ServiceUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What to start and how to see that it is ready."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    url: str
    ready: Callable[[], bool]
    cwd: Path
    log: Path
    restart: bool = False  # agents come back after a crash; a server that dies takes the stack down
    patience_s: float = 20.0  # from being asked to stop to being killed; Prefect's worker waits for its children


@dataclass
class Running:
    """A started service."""

    service: Service
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None


def start(service: Service) -> Running:
    """The service as a process in a session of its own; its output goes to its log file."""
    service.log.parent.mkdir(parents=True, exist_ok=True)
    with service.log.open("ab") as log:
        process = subprocess.Popen(
            list(service.command),
            cwd=service.cwd,
            env={**os.environ, **service.env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(service, process)


def wait_ready(running: Running, timeout_s: float) -> float:
    """Seconds from start until the service was ready.

    Raises:
        ServiceUnavailable: if it died or was not ready in time; names its log.
    """
    service = running.service
    while time.monotonic() - running.started < timeout_s:
        if not running.alive:
            raise ServiceUnavailable(
                f"{service.name} ended with code {running.process.returncode} before it was ready; "
                f"read {service.log}, then `swath doctor`"
            )
        if service.ready():
            return time.monotonic() - running.started
        time.sleep(0.2)
    raise ServiceUnavailable(f"{service.name} was not ready within {timeout_s:.0f} s; read {service.log}")


def stop(running: Running) -> None:
    """The whole process group ended: asked first, killed when the patience with it is over."""
    patience_s = running.service.patience_s
    if running.alive:
        _signal(running, signal.SIGTERM)
        try:
            running.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop within %.0f s and is killed", running.service.name, patience_s)
    _signal(running, signal.SIGKILL)  # children that outlived their parent
    running.process.wait()


def _signal(running: Running, number: signal.Signals) -> None:
    try:
        os.killpg(running.process.pid, number)
    except ProcessLookupError:
        return


def answers(url: str, status: int = 200) -> bool:
    """True where a GET of ``url`` answers with ``status``."""
    try:
        return httpx.get(url, timeout=2.0).status_code == status
    except httpx.HTTPError:
        return False


def listens(address: str) -> bool:
    """True where something accepts connections at ``host:port``."""
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, int(port))) == 0


def free_port(wanted: int) -> int:
    """``wanted`` where nothing listens on it, else a port that the system picks."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceUnavailable("no free port on loopback; stop something that listens")
