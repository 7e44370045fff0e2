"""What nobody waits for: lost leases, jobs and results beyond their age, objects of the dead."""

from __future__ import annotations

import logging

from components.errors import StoreUnavailable
from serving.jobs.files import JobFiles
from serving.jobs.table import JobTable

logger = logging.getLogger(__name__)
DAY_S = 86_400.0


def return_lost(table: JobTable) -> None:
    """Jobs whose worker fell silent wait again, or have failed."""
    for job in table.reap():
        logger.warning("job %s (request %s) is %s: %s", job.id, job.request_id, job.state, job.reason)


def remove_outlived(table: JobTable, files: JobFiles, keep_days: float) -> int:
    """How many ended jobs were older than ``keep_days``; objects go first, so that no row names what is not there."""
    removed = 0
    for job in table.outlived(keep_days * DAY_S):
        removed += files.remove(job.id) and table.remove(job.id)
    return removed


def remove_orphans(table: JobTable, files: JobFiles) -> None:
    """Objects without a job are gone: those of a process that died between storing and committing."""
    try:
        lost = [job for job in files.stored_jobs() if table.find(job) is None]
    except StoreUnavailable as error:
        logger.warning("objects without a job stay until the next sweep: %s", error)
        return
    for job in lost:
        files.remove(job)
