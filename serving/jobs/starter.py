"""In the service: a thread that starts a worker when there is work and none lives, and keeps the table tidy."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from serving.jobs.files import JobFiles
from serving.jobs.housekeeping import remove_orphans, remove_outlived, return_lost
from serving.jobs.scratch import sweep
from serving.jobs.table import JobTable

logger = logging.getLogger(__name__)
WORKER = (sys.executable, "-m", "serving.jobs.worker")
SWEEP_S = 3600.0
REAP_S = 5.0
STOP_S = 10.0
BACKOFF_S = (1.0, 60.0)  # between starts of a worker that dies at once: shortest, longest wait


@dataclass(frozen=True)
class Upkeep:
    """What is kept how long, and where killed processes leave folders."""

    keep_days: float = 7.0
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Launch:
    """How a worker process is started: ``--parent`` and ``--name`` are added to the command."""

    folder: Path  # of the sources
    env: Mapping[str, str]
    command: Sequence[str] = WORKER


class Starter:
    """The worker of this service, living only while there is work."""

    def __init__(
        self, table: JobTable, files: JobFiles, launch: Launch, upkeep: Upkeep | None = None, *, poll_s: float = 1.0
    ) -> None:
        self.table, self.files, self.launch = table, files, launch
        self._upkeep, self._poll_s = upkeep or Upkeep(), poll_s
        self._process: subprocess.Popen[bytes] | None = None
        self._name, self._started_at, self._wait_s = "", float("-inf"), 0.0
        self._awake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self._due: dict[str, float] = {}

    def start(self) -> None:
        """The watching begun."""
        self._thread.start()

    def stop(self) -> None:
        """The watching ended, the worker asked to put its job back; it ends soon by itself."""
        self._stop.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                logger.warning("the job worker %d still puts its job back", self._process.pid)

    def wake(self) -> None:
        """There is work: do not wait for the next look."""
        self._awake.set()

    @property
    def worker_pid(self) -> int | None:
        """The process id of the living worker."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if alive and self._process is not None else None

    def look(self) -> None:
        """One look: the dead worker's job returned, lost leases too, a worker started where one is needed."""
        self._bury()
        if self._is_due("reap", REAP_S):
            return_lost(self.table)
        if self._is_due("sweep", SWEEP_S):
            self._sweep_folders()
            remove_outlived(self.table, self.files, self._upkeep.keep_days)
            remove_orphans(self.table, self.files)
        waited = time.monotonic() - self._started_at >= self._wait_s
        if self._process is None and waited and self.table.has_work():
            self._begin()

    def _watch(self) -> None:
        with ThreadPoolExecutor(1, "jobs-look") as pool:
            while not self._stop.is_set():
                # The watch must outlive every error of a look: a database or a store that is down comes back.
                error = pool.submit(self.look).exception()
                if error:
                    logger.error("looking after the jobs failed: %s", type(error).__name__, exc_info=error)
                self._awake.wait(self._poll_s)
                self._awake.clear()

    def _begin(self) -> None:
        self._name = uuid.uuid4().hex
        command = [*self.launch.command, "--parent", str(os.getpid()), "--name", self._name]
        self._process = subprocess.Popen(
            command, cwd=self.launch.folder, env=dict(self.launch.env), stdin=subprocess.DEVNULL
        )
        self._started_at = time.monotonic()
        logger.info("job worker %d started", self._process.pid)

    def _bury(self) -> None:
        """A worker that ended: what it held waits again, without waiting for its lease."""
        if self._process is None or self._process.poll() is None:
            return
        code, self._process = self._process.returncode, None
        self._sweep_folders()
        for job in self.table.release(self._name):
            logger.warning("job %s (request %s) is %s: %s", job.id, job.request_id, job.state, job.reason)
        shortest, longest = BACKOFF_S
        if time.monotonic() - self._started_at > longest:
            self._wait_s = 0.0
        # A worker that cannot even start must not be started in a loop; one that did its work may follow at once.
        self._wait_s = 0.0 if code == 0 else min(max(2 * self._wait_s, shortest), longest)
        if code != 0:
            logger.error("the job worker ended with code %d; the next one starts in %g s", code, self._wait_s)

    def _sweep_folders(self) -> None:
        for folder in self._upkeep.folders:
            sweep(folder)

    def _is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, float("-inf")):
            return False
        self._due[what] = now + every_s
        return True
