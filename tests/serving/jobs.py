"""A job service over toys: its table, its objects, and a worker in this process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient

from components.deployment.registry import Registry
from components.raster.decoding import DecoderPool
from serving.endpoints import Serving, build_app
from serving.guard import Guard, GuardLimits
from serving.jobs.bringing import IntakeLimits
from serving.jobs.database import job_database
from serving.jobs.files import JobFiles
from serving.jobs.intake import Desk
from serving.jobs.loop import Patience, Worker
from serving.jobs.table import Asked, JobTable, Rules
from serving.jobs.work import Versions, Workshop
from tests.deployment.toy import CODE


def asked(name="a", key=None, **changes):
    """A request for a job, as the intake makes it."""
    inputs = {"before": {"digest": "b" * 64, "size": 1}}
    fields = {
        "task": "change", "run": "toy", "version": "v" * 16, "output": "change", "format": "cog", "unit": None,
        "inputs": inputs, "request_digest": name.ljust(64, "0"), "request_id": name, "idempotency_key": key,
    }  # fmt: skip
    return Asked(**{**fields, **changes})


@dataclass
class Office:
    """A client with the parts behind it."""

    client: TestClient
    desk: Desk
    registry: Registry
    folder: Path
    woken: threading.Event
    decoders: DecoderPool

    def worker(self, **patience) -> Worker:
        """A worker that ends as soon as there is nothing to do."""
        import os

        versions = Versions(self.registry, self.folder / "versions", lambda task: CODE)
        workshop = Workshop(self.desk.files, versions, self.decoders)
        known = {"idle_s": 0.05, "beat_s": 0.02, **patience}
        scratch = self.folder / "work"
        return Worker(self.desk.table, workshop, scratch, Patience(**known), name="here", parent=os.getppid())

    def post(self, files, key=None, headers=None, **fields):
        """The answer to a form for a job."""
        headers = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        return self.client.post("/jobs", files=files or None, data={"task": "change", **fields}, headers=headers)

    def done(self, files, **fields):
        """A job that was worked on, as its caller sees it."""
        answer = self.post(files, **fields)
        assert answer.status_code == 202, answer.text
        self.worker().run()
        return self.client.get(answer.headers["Location"]).json()

    def objects(self) -> list[str]:
        """The keys of every object of jobs."""
        return [stat.key for stat in self.desk.files.store.list(f"jobs/{self.desk.table.name}/")]


@contextmanager
def office(slots, registry, folder, decoders, *, rules=None, url="", **limits):
    """A job service of its own, without its starter: `worker` is called by hand."""
    table = JobTable(job_database(url, folder), rules or Rules())
    woken = threading.Event()
    files = JobFiles(registry.store, table.name)
    desk = Desk(table, files, folder / "intake", IntakeLimits(**limits), woken.set)

    @contextmanager
    def started():
        with ThreadPoolExecutor(1) as pool:
            yield Serving(slots, decoders, pool, jobs=desk)

    app = Guard(build_app(started), GuardLimits())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Office(client, desk, registry, folder, woken, decoders)
    table.engine.dispose()
