"""The database behind the job table: SQLite that keeps what it acknowledged, or PostgreSQL by URL."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, create_engine, event, literal_column, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, CreateTable

from components.errors import ServiceUnavailable
from serving.jobs.row import Base, Identity

BUSY_MS = 30_000  # how long a writer waits for another one
TRIES = 20
CLOCKS = {  # of the database: one clock for all workers, whatever their hosts say
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
}


def job_database(url: str, home: Path) -> Engine:
    """The database at ``url`` (empty: `jobs/jobs.sqlite` under ``home``) with its tables made.

    Raises:
        ServiceUnavailable: if it cannot be reached or is of a kind that is not known; never quotes the URL.
    """
    if not url:
        folder = home / "jobs"
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'jobs.sqlite'}"
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
    _make_tables(engine)
    return engine


def clock_of(engine: Engine) -> ColumnElement[float]:
    """Seconds since 1970 as an SQL expression."""
    return literal_column(CLOCKS[engine.dialect.name])


def identity_of(engine: Engine) -> str:
    """The name of the table, given once when it was made."""
    for _ in range(2):
        try:
            with Session(engine) as session, session.begin():
                found = session.scalar(select(Identity.name))
                if found is None:
                    found = uuid.uuid4().hex
                    session.add(Identity(n=1, name=found))
        except IntegrityError:  # another process was faster
            continue
        return found
    raise ServiceUnavailable("the job table has no name and takes none; look at its database")


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=True)
    except (SQLAlchemyError, ImportError) as error:
        problem = type(error).__name__
        raise ServiceUnavailable(f"SWATH_JOBS_URL is no database URL that is known here ({problem})") from None
    if engine.dialect.name not in CLOCKS:
        known = ", ".join(CLOCKS)
        raise ServiceUnavailable(f"SWATH_JOBS_URL names a {engine.dialect.name} database; known: {known}")
    return engine


def _durable(connection: Any, _: Any) -> None:  # noqa: ANN401 - sqlite3's
    """A commit is on the disk once it returns: a write-ahead log that is synced at every commit."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    cursor.execute("PRAGMA synchronous=FULL")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _make_tables(engine: Engine) -> None:
    """Tables and indexes, where there are none; several processes may do so at once."""
    problem = ""
    for _ in range(TRIES):
        try:
            with engine.begin() as connection:
                for table in Base.metadata.sorted_tables:
                    connection.execute(CreateTable(table, if_not_exists=True))
                    for index in table.indexes:
                        connection.execute(CreateIndex(index, if_not_exists=True))
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            problem = type(error.orig).__name__
            if engine.dialect.name == "postgresql" and isinstance(error, OperationalError):
                break  # not reachable: no other process is at work there
            continue
        return
    raise ServiceUnavailable(f"the job table cannot be opened ({problem}); check SWATH_JOBS_URL and its server")
