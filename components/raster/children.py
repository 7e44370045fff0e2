"""Decoder processes that are kept started: taken, given back, replaced when they have served long enough or died."""

from __future__ import annotations

import threading
import time

from components.errors import ServiceUnavailable
from components.raster.child import Child
from components.raster.limits import ChildLimits, OpenLimits

PAUSE_S = 1.0  # before processes that could not be started are tried again


class Children:
    """``workers`` processes, for any number of threads."""

    def __init__(self, limits: OpenLimits, child: ChildLimits, workers: int) -> None:
        self._limits, self._child, self._workers = limits, child, workers
        self._changed = threading.Condition()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._problem = ""  # why the last one could not be started
        self._closed = False
        # One thread starts all of them and lives as long as they do: the kernel ends a child with that thread.
        self._starter = threading.Thread(target=self._keep_started, name="decoders", daemon=True)
        self._starter.start()

    @property
    def network(self) -> bool | None:
        """False where no process has a network, True where the kernel left it to one, None before any has started."""
        with self._changed:
            self._changed.wait_for(lambda: self._all or self._problem or self._closed, self._child.start_s)
            return any(child.network for child in self._all) if self._all else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the processes."""
        with self._changed:
            return tuple(child.pid for child in self._all)

    def close(self) -> None:
        """All processes are gone when this returns; who waits for one is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._starter.join()

    def take(self) -> Child:
        """A process that has nothing to do; waits for one.

        Raises:
            ServiceUnavailable: if none can be had.
        """
        ends = time.monotonic() + self._child.start_s
        with self._changed:
            while True:
                self._drop_dead()
                if self._closed:
                    raise ServiceUnavailable("the decoders are closed; start the service again")
                if self._idle:
                    return self._idle.pop()
                if self._problem and not self._all:
                    raise ServiceUnavailable(self._problem)
                if not self._changed.wait(ends - time.monotonic()) and time.monotonic() >= ends:
                    raise ServiceUnavailable(f"no decoder was free within {self._child.start_s:g} s; try again")

    def give_back(self, child: Child) -> None:
        """The process has done its work, or was ended by it."""
        with self._changed:
            if child.alive:
                self._idle.append(child)
            else:
                child.end()
            self._retire()
            self._drop_dead()
            self._changed.notify_all()

    def _drop_dead(self) -> None:
        for child in [each for each in self._idle if not each.alive]:
            child.end()
            self._idle.remove(child)
        if any(not child.alive for child in self._all):
            self._all = {child for child in self._all if child.alive}
            self._changed.notify_all()  # the starter has work

    def _retire(self) -> None:
        """Ends a process that has served long enough and is idle, once there is another in its place."""
        for child in [each for each in self._idle if self._is_tired(each)]:
            if len(self._all) > self._workers:
                self._idle.remove(child)
                self._all.remove(child)
                child.end()

    def _is_tired(self, child: Child) -> bool:
        return child.served >= self._child.files

    def _missing(self) -> int:
        self._drop_dead()
        return self._workers - sum(not self._is_tired(child) for child in self._all)

    def _keep_started(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._missing() > 0)
                if self._closed:
                    break
                missing = self._missing()
            self._start(missing)
        with self._changed:
            for child in self._all:
                child.kill()
            for child in self._idle:
                child.end()  # the others are ended by the threads that use them

    def _start(self, count: int) -> None:
        started: list[Child] = []
        try:
            for _ in range(count):  # side by side
                started.append(Child(self._limits, self._child))
            while started:
                started[0].await_ready()
                self._welcome(started.pop(0))
        except (OSError, ServiceUnavailable) as error:  # memory or processes of the machine are used up
            for child in started:
                child.end()
            self._pause(str(error))

    def _welcome(self, child: Child) -> None:
        with self._changed:
            self._problem = ""
            self._all.add(child)
            self._idle.append(child)
            self._retire()
            self._changed.notify_all()

    def _pause(self, problem: str) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed, PAUSE_S)
