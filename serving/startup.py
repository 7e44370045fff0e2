"""What a service process holds while it runs: the registry, the slots that watch it, threads to compute in."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from starlette.applications import Starlette

from components.deployment.registry import Registry
from components.lineage.closure import code_digest
from components.raster.decoding import DecoderPool
from components.settings import load_settings
from components.storage.patience import Patience
from components.storage.store import Store
from components.tasks import task_names
from serving.drift import InputStatistics
from serving.endpoints import Serving, build_app
from serving.holdings import Holdings
from serving.jobs.setup import access, desk_of
from serving.slots import Slots

CODE = Path(__file__).resolve().parents[1]  # the checkout, or the sources inside a Bento
COMPUTE_THREADS = 2  # a network already uses every core; the second hides reading and writing
WATCHING = Patience(attempts=2, first_s=0.2, refused=1)  # the next look comes soon anyway


def application() -> Starlette:
    """The application over the store and the runs that the settings name."""
    return build_app(started)


@contextmanager
def started() -> Iterator[Serving]:
    """The slots watching, until left."""
    settings = load_settings()
    # The code of this process, read before anybody edits it.
    digests = {task: code_digest(task, CODE) for task in task_names()}
    slots = Slots(
        Registry(Store(access(settings), WATCHING)),
        settings.home / "versions",
        lambda task: digests.get(task, "unknown"),
        only=[run.strip() for run in settings.runs.split(",") if run.strip()],
        tasks=digests,
        poll_s=settings.poll_s,
        holdings=Holdings(settings.slots_mb),
    )
    inputs = InputStatistics(settings.home / "service" / "inputs.sqlite")
    with (
        closing(inputs),
        DecoderPool(settings.upload_limits, settings.child_limits, workers=settings.decoders) as decoders,
        ThreadPoolExecutor(COMPUTE_THREADS, "predict") as pool,
        desk_of(settings) as jobs,
    ):
        slots.start()
        try:
            yield Serving(slots, decoders, pool, inputs, jobs, settings.max_sync_mpx, settings.max_dates)
        finally:
            slots.stop()
