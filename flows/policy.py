"""How a plain function becomes a Prefect task: never cached (DVC says whether), never retried (clients are patient)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def as_task(function: Callable[P, R], name: str) -> Task[P, R]:
    """The function as a task of that name."""
    return cast("Task[P, R]", Task(function, name=name, cache_policy=NO_CACHE))
