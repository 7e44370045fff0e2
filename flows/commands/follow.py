"""A deployment started through the Prefect API and followed to its end on the terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from components.errors import StageFailed
from components.settings import load_settings
from flows.commands.output import console
from flows.stack.plan import environment
from flows.stack.supervisor import require_up

LOOK_EVERY_S = 1.0
LINES_AT_ONCE = 200
INFO = 20


def run_and_follow(flow: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the flow's own result
    """The result of a deployment's run; its log lines appear as they come. Ctrl-C cancels the run.

    Raises:
        StageFailed: says how the run ended and where to read more.
    """
    settings = load_settings()
    require_up(settings)
    os.environ.update(environment(settings))  # before Prefect is imported: it reads its settings then
    from prefect.client.orchestration import SyncPrefectClient, get_client

    client: SyncPrefectClient
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{flow}")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        ui = f"{settings.prefect_api_url.removesuffix('/api')}/runs/flow-run/{run.id}"
        console.print(f"{flow} started: {ui}", highlight=False)
        try:
            with console.status(f"{flow} waits for an agent") as spinner:
                state = _follow(client, run.id, lambda text: spinner.update(f"{flow}: {text}"))
        except KeyboardInterrupt:
            _cancel(client, run.id)
            raise
    if not state.is_completed():
        raise StageFailed(f"{flow} ended as {state.name}: {state.message or 'no message'}; its log is at {ui}")
    return state.result(raise_on_failure=False)


def _follow(client: Any, run: UUID, say: Any) -> Any:  # noqa: ANN401 - Prefect's client types are generic
    seen = 0
    while True:
        found = client.read_flow_run(run)
        for line in _logs(client, run, seen):
            seen += 1
            told = line.message.partition("Traceback (most recent call last)")[0].rstrip()  # the UI has the rest
            console.print(f"{line.timestamp:%H:%M:%S} {told}", highlight=False, markup=False, soft_wrap=True)
        if found.state.is_final():
            return found.state
        say(found.state.name.lower())
        time.sleep(LOOK_EVERY_S)


def _logs(client: Any, run: UUID, seen: int) -> list[Any]:  # noqa: ANN401
    """The next lines of the run and of the flows that it called."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterParentFlowRunId,
        LogFilter,
        LogFilterFlowRunId,
        LogFilterLevel,
    )
    from prefect.client.schemas.sorting import FlowRunSort, LogSort

    called = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]))
    children = client.read_flow_runs(flow_run_filter=called, sort=FlowRunSort.ID_DESC, limit=LINES_AT_ONCE)
    family = [run, *(child.id for child in children)]
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=family), level=LogFilterLevel(ge_=INFO))
    found: list[Any] = client.read_logs(wanted, offset=seen, limit=LINES_AT_ONCE, sort=LogSort.TIMESTAMP_ASC)
    return found


def _cancel(client: Any, run: UUID) -> None:  # noqa: ANN401
    from prefect.states import Cancelling

    client.set_flow_run_state(run, Cancelling(message="Ctrl-C in `swath`"))
    console.print("asked the agent to cancel the run; it stops its processes and leaves nothing half-done")
