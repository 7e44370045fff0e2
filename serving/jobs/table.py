"""The job table: every change is one conditional statement, so two processes can never both make it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from serving.errors import JobConflict
from serving.jobs.database import clock_of, identity_of
from serving.jobs.row import REASON_LENGTH, InputRef, Job
from serving.jobs.states import ENDS, Phase, State, sources_of

LOST = "its worker was lost (killed, out of memory, or cut off) in the attempt"
AS_IS = {"synchronize_session": False}  # no session of ours holds objects that a statement could make stale


@dataclass(frozen=True)
class Asked:
    """A checked request for a job, with the version that was promoted when it came in."""

    task: str
    run: str
    version: str
    output: str
    format: str
    unit: str | None
    inputs: Mapping[str, InputRef]
    request_digest: str
    request_id: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: good while the lease lasts and nobody holds a newer fence."""

    id: str
    fence: int


@dataclass(frozen=True)
class Progress:
    """How far a claimed job is."""

    phase: Phase = "loading"
    tiles_done: int = 0
    tiles_all: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a claimed job came to: digest and size of its stored result, tiles predicted, seconds by phase."""

    digest: str
    size: int
    tiles: int = 0
    timings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """How often a job is tried, and how long a worker may be silent."""

    attempts: int = 3
    lease_s: float = 30.0


class JobTable:
    """All jobs of one installation. Values that are returned are snapshots; changing them changes nothing."""

    def __init__(self, engine: Engine, rules: Rules | None = None, clock: ColumnElement[float] | None = None) -> None:
        self.engine, self.rules = engine, rules or Rules()
        self._now = clock_of(engine) if clock is None else clock
        self.name = identity_of(engine)

    # What the service does

    def accept(self, asked: Asked, id: str | None = None) -> tuple[Job, bool]:
        """The job of a request, committed to disk, and whether it is new: a known idempotency key gives its job.

        Raises:
            JobConflict: if the key stands for another request.
        """
        job = {**vars(asked), "inputs": dict(asked.inputs), "id": id or new_id(), "accepted_at": self._now}
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                row = Job(**job)
                session.add(row)
                session.flush()
                session.refresh(row)
                return row, True
        except IntegrityError:
            known = self.by_key(asked.idempotency_key, asked.request_digest)
            if known is None:
                raise
            return known, False

    def by_key(self, key: str | None, request_digest: str) -> Job | None:
        """The job that was accepted under an idempotency key; None where there is none.

        Raises:
            JobConflict: if it is the job of another request.
        """
        if key is None:
            return None
        with Session(self.engine) as session:
            found = session.scalar(select(Job).where(Job.idempotency_key == key))
        if found is not None and found.request_digest != request_digest:
            raise JobConflict(f"the Idempotency-Key stands for job {found.id} of another request; use a new key")
        return found

    def find(self, id: str) -> Job | None:
        """The job of that id."""
        with Session(self.engine) as session:
            return session.scalar(select(Job).where(Job.id == id))

    def newest(self, count: int) -> Sequence[Job]:
        """The jobs that were accepted last, the newest first."""
        with Session(self.engine) as session:
            return session.scalars(select(Job).order_by(Job.n.desc()).limit(count)).all()

    def count(self, state: State) -> int:
        """How many jobs are in a state."""
        with Session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Job).where(Job.state == state)) or 0

    def now(self) -> float:
        """The clock of the database: seconds since 1970."""
        with Session(self.engine) as session:
            return float(session.execute(select(self._now)).scalar_one())

    def has_work(self) -> bool:
        """True where a job waits and may be started now."""
        with Session(self.engine) as session:
            return session.scalar(select(Job.n).where(*self._due(Job)).limit(1)) is not None

    def cancel(self, id: str) -> Job | None:
        """The job, cancelled; None where it was not queued or running. A worker that holds it has lost it."""
        return self._first(self._move("cancelled", Job.id == id, error=None, reason="cancelled on request"))

    def remove(self, id: str) -> bool:
        """True where an ended job is gone from the table."""
        gone = delete(Job).where(Job.id == id, Job.state.in_(ENDS)).returning(Job.n)
        with Session(self.engine) as session, session.begin():
            return session.scalars(gone, execution_options=AS_IS).first() is not None

    def outlived(self, keep_s: float) -> Sequence[Job]:
        """Jobs that ended longer than ``keep_s`` seconds ago."""
        with Session(self.engine) as session:
            old = select(Job).where(Job.state.in_(ENDS), Job.finished_at < self._now - keep_s)
            return session.scalars(old).all()

    # What a worker does

    def claim(self, worker: str) -> Job | None:
        """The next job, now held by ``worker`` and counted as tried; None where none is due."""
        other = aliased(Job)
        order = (func.coalesce(other.place, other.n), other.attempts, other.n)
        chosen = select(other.n).where(*self._due(other)).order_by(*order).limit(1)
        mine = Job.n == chosen.with_for_update(skip_locked=True).scalar_subquery()
        return self._first(
            self._move(
                "running",
                mine,
                worker=worker,
                attempts=Job.attempts + 1,
                fence=Job.fence + 1,
                lease_until=self._now + self.rules.lease_s,
                started_at=self._now,
                phase="loading",
            )
        )

    def renew(self, claim: Claim, progress: Progress) -> bool:
        """True where the claim still held; its lease is then longer and its progress known to all."""
        predicting = progress.phase == "predicting"
        since = func.coalesce(Job.computing_since, self._now) if predicting else None
        changed = update(Job).where(*self._held(claim))
        changed = changed.values(
            lease_until=self._now + self.rules.lease_s,
            phase=progress.phase,
            tiles_done=progress.tiles_done,
            tiles_all=progress.tiles_all,
            computing_since=since,
            progress_at=self._now,
        )
        return self._first(changed) is not None

    def pin(self, claim: Claim, inputs: Mapping[str, InputRef]) -> bool:
        """True where the claim held: the digests of the inputs are now known to every later attempt."""
        return self._first(update(Job).where(*self._held(claim)).values(inputs=dict(inputs))) is not None

    def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """True where the claim held and the job is done, with this result: the one time that a result is written."""
        result = {"result_digest": outcome.digest, "result_bytes": outcome.size, "timings": dict(outcome.timings)}
        tiles = {"tiles_done": outcome.tiles, "tiles_all": outcome.tiles}
        moved = self._move("done", *self._held(claim), error=None, reason=None, **result, **tiles)
        return self._first(moved) is not None

    def fail(self, claim: Claim, error: str, reason: str) -> bool:
        """True where the claim held and the job has failed for good."""
        told = reason[:REASON_LENGTH]
        return self._first(self._move("failed", *self._held(claim), error=error, reason=told)) is not None

    def give_back(self, claim: Claim) -> bool:
        """True where the claim held and the job waits again, in its old place and as if it had not been tried."""
        return self._first(self._move("queued", *self._held(claim), attempts=Job.attempts - 1)) is not None

    def retry(self, claim: Claim, error: str, reason: str, delay_s: float = 0.0) -> State | None:
        """What became of a held job whose attempt failed for a reason that may pass; None where the claim was lost."""
        ended = self._retried((Job.id == claim.id, *self._held(claim)), error, reason, delay_s)
        return ended[0].state if ended else None

    # What everybody does

    def reap(self) -> Sequence[Job]:
        """The jobs whose worker let the lease run out: waiting again, or failed where they were tried often enough."""
        return self._retried((Job.state == "running", Job.lease_until <= self._now), "WorkerLost", LOST, 0.0)

    def release(self, worker: str) -> Sequence[Job]:
        """As `reap`, for the jobs of a worker that is known to have ended."""
        return self._retried((Job.state == "running", Job.worker == worker), "WorkerLost", LOST, 0.0)

    def _retried(
        self, which: tuple[ColumnElement[bool], ...], error: str, reason: str, delay_s: float
    ) -> Sequence[Job]:
        told, limit = reason[:REASON_LENGTH], self.rules.attempts
        last = f"{told}; tried {limit} times, the limit (SWATH_JOBS_ATTEMPTS)"
        behind_all = select(func.max(aliased(Job).n)).scalar_subquery()
        due = self._now + delay_s
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            # two statements of one transaction: a job that the first one ended is not running for the second
            ended = self._move("failed", *which, Job.attempts >= limit, error=error, reason=last)
            again = self._move("queued", *which, place=behind_all, not_before=due, error=error, reason=told)
            failed = session.scalars(ended.returning(Job), execution_options=AS_IS).all()
            return [*failed, *session.scalars(again.returning(Job), execution_options=AS_IS).all()]

    def _due(self, job: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401 - `Job` or an alias of it
        return job.state == "queued", or_(job.not_before <= self._now, job.not_before == 0.0)

    def _held(self, claim: Claim) -> tuple[ColumnElement[bool], ...]:
        return Job.id == claim.id, Job.state == "running", Job.fence == claim.fence, Job.lease_until > self._now

    def _move(self, target: State, *where: ColumnElement[bool], **values: Any) -> Any:  # noqa: ANN401 - an update
        """The statement that moves the jobs of ``where`` to ``target``, from where the machine allows it only."""
        if target != "running":
            values |= {"worker": None, "lease_until": None, "computing_since": None, "progress_at": None}
            values |= {"phase": "waiting", "tiles_done": 0, "tiles_all": 0} if target == "queued" else {}
        if target in ENDS:
            values |= {"phase": "ended", "finished_at": self._now}
        return update(Job).where(Job.state.in_(sources_of(target)), *where).values(state=target, **values)

    def _first(self, statement: Any) -> Job | None:  # noqa: ANN401
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            found: Job | None = session.scalars(statement.returning(Job), execution_options=AS_IS).first()
            return found


def new_id() -> str:
    """A fresh job id; nobody can guess another's."""
    return uuid.uuid4().hex
