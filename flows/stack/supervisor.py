"""`swath up`: start in an order that works, show one line a service, restart agents, stop agents first."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from components.errors import ServiceUnavailable, SwathError
from components.settings import Settings
from flows.stack import plan
from flows.stack.processes import Running, Service, start, stop, wait_ready
from flows.stack.state import Entry, clear_state, read_state, write_env, write_state

logger = logging.getLogger(__name__)
READY_WITHIN_S = 120.0
WATCH_EVERY_S = 2.0
AGENTS = tuple(f"{pool}-agent" for pool in plan.POOLS)


class Supervisor:
    """The services of one project while they run; a context manager that leaves none behind."""

    def __init__(self, settings: Settings, show: Callable[[Entry], None]) -> None:
        if read_state(settings.home):
            raise ServiceUnavailable("this project's stack is already up; see `swath status`, end it with `swath down`")
        self.settings, self.show = plan.stack_settings(settings), show
        self.running: dict[str, Running] = {}
        self.entries: dict[str, Entry] = {}
        self._stopping = threading.Event()

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        write_env(self.settings)
        self._note(ready=False)
        return self

    def __exit__(self, *exc: object) -> None:
        for name in [*AGENTS, *(name for name in self.running if name not in AGENTS)]:
            if name in self.running:  # agents first: one that loses its server lingers for minutes
                stop(self.running.pop(name))
        clear_state(self.settings.home)

    def start(self) -> None:
        """Every service started and ready.

        Raises:
            ServiceUnavailable: names the service that is not, and its log.
        """
        found = plan.services(self.settings)
        for name in ("store", "prefect", "reports"):
            self._start(found[name])
        self._await("store")
        self._start(found["service"])
        self._await("prefect")
        register = self._register()
        for name in AGENTS:
            self._start(found[name])
        for name in ("reports", *AGENTS, "service"):
            self._await(name)
        if register.wait(READY_WITHIN_S) != 0:
            raise ServiceUnavailable(f"the flows could not be registered; read {self.settings.home}/logs/register.log")
        self._note(ready=True)

    def watch(self) -> None:
        """Returns when asked to stop; restarts agents that died, and the service when it is to be another Bento.

        Raises:
            ServiceUnavailable: if a server died.
        """
        while not self._stopping.wait(WATCH_EVERY_S):
            self._roll_service()
            for name, running in list(self.running.items()):
                if running.alive:
                    continue
                if not running.service.restart:
                    raise ServiceUnavailable(f"{name} ended by itself; read {running.service.log}, `swath up` again")
                logger.warning("%s ended by itself and is started again", name)
                self._start(running.service)
                self._await(name)
                self._note(ready=True)

    def _roll_service(self) -> None:
        service, command = self.running["service"].service, plan.serve_command(self.settings)
        if list(service.command) == command:
            return
        wanted = replace(service, command=command)
        logger.warning("the service is started again as %s", command[4])
        stop(self.running.pop("service"))
        self._start(wanted)
        self._await("service")
        self._note(ready=True)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        if not self.entries or self._stopping.is_set():
            raise KeyboardInterrupt
        self._stopping.set()

    def _start(self, service: Service) -> None:
        service.log.parent.mkdir(parents=True, exist_ok=True)
        service.log.write_text("")
        self.running[service.name] = start(service)

    def _await(self, name: str) -> None:
        running = self.running[name]
        seconds = wait_ready(running, READY_WITHIN_S)
        service = running.service
        self.entries[name] = Entry(name, running.process.pid, service.url, str(service.log), round(seconds, 1))
        self.show(self.entries[name])
        self._note(ready=False)

    def _note(self, *, ready: bool) -> None:
        write_state(self.settings.home, tuple(self.entries.values()), ready=ready)

    def _register(self) -> subprocess.Popen[bytes]:
        log = (self.settings.home / "logs" / "register.log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.stack.register"],
                cwd=self.settings.project,
                env={**os.environ, **plan.environment(self.settings)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def require_up(settings: Settings) -> None:
    """Nothing while the stack of this project is up.

    Raises:
        SwathError: says how to start it.
    """
    state = read_state(settings.home)
    if state is None or not state.ready:
        raise SwathError("the stack is not up; start it with `swath up` in another terminal (or `swath up --detach`)")
