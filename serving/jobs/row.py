"""One job as a row: what was asked, which version answers, who holds it, and what became of it."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import JSON, BigInteger, Double, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from serving.jobs.states import Phase, State

KEY_LENGTH = 200  # of an idempotency key
REASON_LENGTH = 2000


class InputRef(TypedDict, total=False):
    """Where the bytes of one input lie: an upload of ours by its digest, or an object of an allowed bucket.

    A time series is one input of several ``files``, each with what its name said.
    """

    digest: str  # SHA-256
    uri: str  # s3://bucket/key
    etag: str  # the object's, when the job was accepted
    size: int  # bytes
    files: list[InputRef]  # of a series, by time
    looks: list[float]  # of a series, where its sender declared them
    name: str  # of a file of a series, as its sender calls it
    time: str  # ISO 8601
    band: str | None
    part: str
    orbit: str | None


class Base(DeclarativeBase):
    """The tables of this package. A change of columns takes a new table name: rows are never migrated in place."""

    type_annotation_map = {float: Double, dict[str, Any]: JSON, dict[str, InputRef]: JSON}  # noqa: RUF012 - SQLAlchemy's


class Identity(Base):
    """The one row that names this table, so that several tables can keep their objects in one bucket."""

    __tablename__ = "swath_jobs_identity"

    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(32))


class Job(Base):
    """A job. Times are seconds since 1970 by the clock of the database; the order is ``n``, never a clock.

    ``fence`` grows with every claim: who holds an older number can change nothing. ``place`` is where the job stands
    in the queue once it failed and went to its end; ``computing_since`` and ``progress_at`` bound the tiles done.
    """

    __tablename__ = "swath_jobs_1"
    __table_args__ = (Index("swath_jobs_1_state", "state"),)

    n: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(KEY_LENGTH), unique=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))

    task: Mapped[str] = mapped_column(String(100))
    run: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(64))
    output: Mapped[str] = mapped_column(String(100))
    format: Mapped[str] = mapped_column(String(10))
    unit: Mapped[str | None] = mapped_column(String(20))
    inputs: Mapped[dict[str, InputRef]]

    state: Mapped[State] = mapped_column(String(10), default="queued")
    phase: Mapped[Phase] = mapped_column(String(12), default="waiting")
    place: Mapped[int | None] = mapped_column(BigInteger)
    not_before: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[float | None]

    accepted_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    computing_since: Mapped[float | None]
    progress_at: Mapped[float | None]
    tiles_done: Mapped[int] = mapped_column(default=0)
    tiles_all: Mapped[int] = mapped_column(default=0)
    timings: Mapped[dict[str, Any] | None]

    error: Mapped[str | None] = mapped_column(String(50))
    reason: Mapped[str | None] = mapped_column(Text)
    result_digest: Mapped[str | None] = mapped_column(String(64))
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)
