"""Flow: a version that passed its gate into service."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.flow_runs import pause_flow_run

from flows.names import RunName
from flows.policy import as_task
from flows.steps import release

register_version = as_task(release.register, "register")
promote_version = as_task(release.promote, "promote")


@flow(name="deploy", persist_result=True, result_serializer="json", validate_parameters=True)
def deploy(run: RunName, commit: str = "HEAD", approval: bool = False) -> dict[str, Any]:
    """Register a scored run as a version, promote it, and wait until the service answers with it.

    Args:
        run: which run to deploy
        commit: the branch that evaluation left
        approval: wait for a person to resume this run in the UI before promoting
    """
    version = register_version(run, commit)
    if approval:
        pause_flow_run(timeout=86400)
    return promote_version(run, version, commit)
