"""The loop of a worker: one job after the other, each under a lease.

The main thread holds the lease of the job and watches for signals, for the end of the service and for the clock; a
second thread works. SIGTERM, and the end of the service, put the job back into the queue; a work thread that does not
let go in time ends with the process.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from components.errors import Interrupted, StoreUnavailable, SwathError
from serving.jobs.housekeeping import return_lost
from serving.jobs.row import Job
from serving.jobs.scratch import scratch, sweep
from serving.jobs.table import Claim, JobTable, Outcome
from serving.jobs.watch import Stopped, Watch
from serving.jobs.work import Result, Workshop

logger = logging.getLogger(__name__)
T = TypeVar("T")
BEAT_S = 1.0  # between signs of life; a job's row is written that often at most
WAIT_S = 15.0  # before a job whose store or disk failed is tried again
EXIT_STUCK = 75


@dataclass(frozen=True)
class Patience:
    """Seconds: without work until a worker ends, that one job may take, that a stopped job gets to let go."""

    idle_s: float = 60.0
    wall_s: float = 6 * 3600.0
    grace_s: float = 20.0
    beat_s: float = BEAT_S


class Worker:
    """Takes job after job until it is idle for long, is told to end, or its service has gone."""

    def __init__(
        self, table: JobTable, workshop: Workshop, folder: Path, patience: Patience, *, name: str, parent: int
    ) -> None:
        self.table, self.workshop, self.folder = table, workshop, folder
        self.patience, self.name, self._parent = patience, name, parent
        self.leaving = threading.Event()

    def run(self) -> None:
        """Jobs done until there is a reason to end."""
        sweep(self.folder)
        idle_since = time.monotonic()
        with ThreadPoolExecutor(1, "job") as pool:
            while not self._should_leave() and time.monotonic() - idle_since < self.patience.idle_s:
                job = self._next()
                if job is None:
                    self.leaving.wait(self.patience.beat_s)
                    continue
                self._work(job, pool)
                idle_since = time.monotonic()

    def _next(self) -> Job | None:
        try:
            return_lost(self.table)
            return self.table.claim(self.name)
        except SQLAlchemyError as error:
            logger.warning("the job table fails (%s); asked again soon", type(error).__name__)
            return None

    def _work(self, job: Job, pool: ThreadPoolExecutor) -> None:
        claim, watch = Claim(job.id, job.fence), Watch()
        logger.info("job %s (request %s): attempt %d", job.id, job.request_id, job.attempts)
        future = pool.submit(self._attempt, job, claim, watch)
        self._attend(future, claim, watch)
        error = future.exception()
        if error is not None:
            self._patient(lambda: self._settle(job, claim, watch, error))

    def _attempt(self, job: Job, claim: Claim, watch: Watch) -> None:
        with scratch(self.folder) as folder:
            result = self.workshop.perform(job, folder, watch)
            watch.enter("storing")
            if result.inputs != job.inputs and not self._patient(lambda: self.table.pin(claim, result.inputs)):
                raise Stopped("the lease was lost")
            self.workshop.files.put_result(job.id, result.path)
            self._finish(job, claim, result, watch)

    def _finish(self, job: Job, claim: Claim, result: Result, watch: Watch) -> None:
        timings = watch.timings() | {"waited_s": round((job.started_at or 0.0) - job.accepted_at, 3)}
        outcome = Outcome(result.digest, result.size, watch.progress.tiles_all, timings)
        if self._patient(lambda: self.table.finish(claim, outcome)):
            logger.info("job %s (request %s) is done: %s", job.id, job.request_id, timings)
            self.workshop.files.remove(job.id, result=False)
        elif self.table.find(job.id) is None:  # removed meanwhile: nobody else knows of the result
            self.workshop.files.remove(job.id)

    def _attend(self, future: Future[None], claim: Claim, watch: Watch) -> None:
        """Signs of life while the work goes on; the work is told to stop where there is a reason."""
        started = renewed = time.monotonic()
        asked: float | None = None
        while not wait([future], self.patience.beat_s).done:
            now = time.monotonic()
            renewed = self._beat(claim, watch, renewed)
            if self._should_leave():
                watch.stop("leaving")
            elif now - started > self.patience.wall_s:
                watch.stop("late")
            if watch.stopping():
                asked = asked or now
                if now - asked > self.patience.grace_s:
                    self._tear_off(claim, watch)

    def _beat(self, claim: Claim, watch: Watch, renewed: float) -> float:
        """When the lease was last known to be ours."""
        try:
            if self.table.renew(claim, watch.progress):
                return time.monotonic()
        except SQLAlchemyError as error:
            logger.warning("job %s: no sign of life could be given (%s)", claim.id, type(error).__name__)
            if time.monotonic() - renewed < self.table.rules.lease_s:
                return renewed
        watch.stop("lost")
        return renewed

    def _settle(self, job: Job, claim: Claim, watch: Watch, error: BaseException) -> None:
        """What an attempt that ended with an error means for the job."""
        if isinstance(error, Stopped | Interrupted):
            self._let_go(claim, watch)
            return
        passing = isinstance(error, StoreUnavailable) or not isinstance(error, SwathError)
        if not passing:
            if self.table.fail(claim, type(error).__name__, str(error)):
                self.workshop.files.remove(job.id)
            logger.warning("job %s (request %s) has failed: %s", job.id, job.request_id, error)
            return
        delay_s = WAIT_S if isinstance(error, SwathError | OSError) else 0.0
        state = self.table.retry(claim, type(error).__name__, _told(error), delay_s)
        logger.error("job %s (request %s) is %s", job.id, job.request_id, state or "lost", exc_info=error)

    def _let_go(self, claim: Claim, watch: Watch) -> None:
        if watch.why == "leaving":
            self.table.give_back(claim)
        elif watch.why == "late":
            told = (
                f"it took longer than {self.patience.wall_s:g} s, the limit (SWATH_JOBS_WALL_S); send a smaller window"
            )
            self.table.fail(claim, "TooLong", told)
        logger.warning("job %s was let go: %s", claim.id, watch.why)

    def _tear_off(self, claim: Claim, watch: Watch) -> None:
        """The end of a process whose work does not stop: its lease is settled first."""
        self._patient(lambda: self._let_go(claim, watch))
        logger.error("job %s does not stop; its worker ends", claim.id)
        os._exit(EXIT_STUCK)

    def _patient(self, call: Callable[[], T]) -> T:
        """What a call to the table returns, tried again for as long as a lease lasts."""
        until = time.monotonic() + self.table.rules.lease_s
        while True:
            try:
                return call()
            except SQLAlchemyError as error:
                if time.monotonic() > until:
                    raise StoreUnavailable(f"the job table fails ({type(error).__name__})") from None
            time.sleep(self.patience.beat_s)

    def _should_leave(self) -> bool:
        if os.getppid() != self._parent:
            self.leaving.set()
        return self.leaving.is_set()


def _told(error: BaseException) -> str:
    """What the row says of an error: what nobody foresaw may name anything, so of that its kind only."""
    if isinstance(error, SwathError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"the worker cannot go on ({error.strerror}); is its disk full?"
    return f"{type(error).__name__}; the log of the worker says why"
