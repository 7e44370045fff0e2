"""A job as its caller sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from serving.jobs.row import Job
from serving.schemas import MEDIA_TYPES


def as_json(job: Job, now: float) -> dict[str, Any]:
    """State, progress, honest seconds left, timings and what became of it; ``now`` by the clock of the table."""
    done = job.state == "done"
    return {
        "id": job.id,
        "state": job.state,
        "phase": job.phase,
        "task": job.task,
        "run": job.run,
        "version": job.version,
        "output": job.output,
        "format": job.format,
        "request_id": job.request_id,
        "attempts": job.attempts,
        "tiles": {"done": job.tiles_done, "all": job.tiles_all},
        "seconds_left": seconds_left(job, now),
        "accepted_at": _utc(job.accepted_at),
        "started_at": _utc(job.started_at),
        "finished_at": _utc(job.finished_at),
        "timings": job.timings,
        "error": job.error,
        "reason": job.reason,
        "result": {
            "url": f"/jobs/{job.id}/result",
            "digest": job.result_digest,
            "bytes": job.result_bytes,
            "media_type": MEDIA_TYPES[job.format],
        }
        if done
        else None,
    }


def seconds_left(job: Job, now: float) -> float | None:
    """Seconds until all tiles are predicted, at the pace of this attempt so far; None where nobody can know."""
    known = job.state == "running" and job.phase == "predicting" and job.tiles_done > 0
    if not known or job.computing_since is None or job.progress_at is None:
        return None
    pace = (job.progress_at - job.computing_since) / job.tiles_done
    left = pace * (job.tiles_all - job.tiles_done) - (now - job.progress_at)
    return round(max(left, 0.0), 1)


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
