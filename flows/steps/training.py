"""Training inside a checkout, and its hand-over to the gpu pool."""

from __future__ import annotations

from typing import Any, cast

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from components.errors import StageFailed
from components.settings import load_settings
from flows.artifacts import publish, show_pictures
from flows.steps.workplace import finish, run_stage, workplace


def train(run: str, commit: str) -> dict[str, Any]:
    """The weights of a run at a commit, as one commit on a branch; its training curve as an artifact."""
    settings = load_settings()
    with workplace(f"train-{run}", commit) as place:
        results = [run_stage(place, f"prepare-{run}"), run_stage(place, f"train-{run}")]
        pictures = settings.home / "pictures" / run  # where stages draw, see repro
        url = publish(settings, pictures, f"{run}/training/{place.commit[:12]}")
        show_pictures(run, url, sorted(path.name for path in pictures.glob("training*.png")))
        return finish(place, run, results, "train")


def train_on_pool(run: str, commit: str) -> dict[str, Any]:
    """The same, done by an agent of the gpu pool.

    Raises:
        StageFailed: if that flow run did not complete.
    """
    started = run_deployment("train/train", parameters={"run": run, "commit": commit}, timeout=None)
    state = cast("FlowRun", started).state  # a coroutine only where the caller is one
    if state is None or not state.is_completed():
        raise StageFailed(f"training of {run} ended as {state.name if state else 'lost'}: {state and state.message}")
    result: dict[str, Any] = state.result()
    return result
