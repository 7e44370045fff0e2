"""How a plain function becomes a Prefect task: never cached (DVC says whether), retried only where told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

P = ParamSpec("P")
R = TypeVar("R")


def as_task(function: Callable[P, R], name: str, retries: int = 0) -> Task[P, R]:
    """The function as a task of that name; ``retries`` with growing pauses, for what only touches a network."""
    pauses = exponential_backoff(2) if retries else None
    return cast(
        "Task[P, R]", Task(function, name=name, cache_policy=NO_CACHE, retries=retries, retry_delay_seconds=pauses)
    )
