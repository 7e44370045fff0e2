"""The parts of the job service put together from the settings: in the service, and in a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from components.deployment.registry import Registry
from components.lineage.closure import code_digest
from components.raster.decoding import DecoderPool
from components.settings import Settings, load_settings
from components.storage.store import Store, StoreAccess
from serving.jobs.bringing import IntakeLimits
from serving.jobs.database import job_database
from serving.jobs.files import JobFiles
from serving.jobs.intake import Desk
from serving.jobs.loop import Patience
from serving.jobs.starter import Launch, Starter, Upkeep
from serving.jobs.table import JobTable, Rules
from serving.jobs.work import Versions, Workshop

CODE = Path(__file__).resolve().parents[2]  # the checkout, or the sources inside a Bento


def access(settings: Settings) -> StoreAccess:
    """How to enter the store that the settings name."""
    return StoreAccess(
        settings.store_endpoint,
        settings.store_access_key,
        settings.store_secret_key.get_secret_value(),
        settings.store_bucket,
        settings.store_secure,
    )


@contextmanager
def desk_of(settings: Settings) -> Iterator[Desk]:
    """Where a service accepts jobs, with its worker starting when there is work, until left."""
    table = job_table(settings)
    files = JobFiles(Store(access(settings)), table.name)
    folders = (settings.home / "jobs" / "intake", settings.home / "jobs" / "work")
    env = os.environ | {"SWATH_PROJECT": str(settings.project.resolve())}
    starter = Starter(table, files, Launch(CODE, env), Upkeep(settings.jobs_keep_days, folders))
    limits = IntakeLimits(
        settings.jobs_waiting, settings.max_large_mb, settings.max_dates, names_of(settings.input_buckets)
    )
    starter.start()
    try:
        yield Desk(table, files, folders[0], limits, starter.wake)
    finally:
        starter.stop()
        table.engine.dispose()


@contextmanager
def workshop_of() -> Iterator[tuple[JobTable, Workshop, Path, Patience]]:
    """What a worker needs, from the settings in force."""
    settings = load_settings()
    table, store = job_table(settings), Store(access(settings))
    versions = Versions(Registry(store), settings.home / "versions", cache(lambda task: code_digest(task, CODE)))
    patience = Patience(settings.jobs_idle_s, settings.jobs_wall_s)
    try:
        with DecoderPool(settings.large_limits, settings.child_limits, workers=1) as decoders:
            workshop = Workshop(JobFiles(store, table.name), versions, decoders)
            yield table, workshop, settings.home / "jobs" / "work", patience
    finally:
        table.engine.dispose()


def job_table(settings: Settings) -> JobTable:
    """The table that the settings name."""
    rules = Rules(settings.jobs_attempts, settings.jobs_lease_s)
    return JobTable(job_database(settings.jobs_url.get_secret_value(), settings.home), rules)


def names_of(text: str) -> frozenset[str]:
    """The names in a comma-separated setting."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())
