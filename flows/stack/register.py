"""Pools, deployments of prefect.yaml and the automation that ends runs whose agent died: all idempotent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from prefect.automations import Automation, EventTrigger
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.runner.storage import LocalStorage

from components.settings import load_settings
from flows.stack.plan import POOLS
from flows.steps.workplace import store

SILENT_FOR = timedelta(seconds=90)  # three heartbeats of 30 s missed
ORPHANS = "swath: runs whose agent died"


async def register(project: Path) -> None:
    """Everything that the server must know, created or brought up to date; the store is probed first."""
    settings = load_settings(project)
    for bucket in (settings.store_bucket, settings.dvc_bucket):
        store(settings, bucket).probe_conditional_writes()
    async with get_client() as client:
        for pool in POOLS:
            try:
                await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            except ObjectAlreadyExists:
                continue
    for entry in yaml.safe_load((project / "prefect.yaml").read_text())["deployments"]:
        await (await deployment(entry, project)).aapply()
    await end_orphans()


async def deployment(entry: dict[str, Any], project: Path) -> RunnerDeployment:
    """One deployment as prefect.yaml declares it; its code is that of the project folder."""
    found: RunnerDeployment = await RunnerDeployment.afrom_storage(
        storage=LocalStorage(str(project)),
        entrypoint=entry["entrypoint"],
        name=entry["name"],
        description=entry.get("description"),
        tags=entry.get("tags", []),
        work_pool_name=entry["work_pool"]["name"],
        concurrency_limit=entry.get("concurrency_limit"),
    )
    return found


async def end_orphans() -> None:
    """An automation: a run that sent a heartbeat and then was silent is Crashed, so that its slot is free."""
    async with get_client() as client:
        if await client.read_automations_by_name(ORPHANS):
            return
    await Automation(
        name=ORPHANS,
        description="a flow run that missed three heartbeats has no agent any more",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
                "prefect.flow-run.Paused",
                "prefect.flow-run.Suspended",
                "prefect.flow-run.AwaitingRetry",
            },
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT_FOR,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="its agent died: no heartbeat for 90 s")],
    ).acreate()


if __name__ == "__main__":
    asyncio.run(register(load_settings().project))
