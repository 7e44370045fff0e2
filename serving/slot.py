"""One run in service: the version that answers, and what became of the one promoted last."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from components.deployment.loading import LoadedVersion
from components.errors import SwathError

logger = logging.getLogger(__name__)
T = TypeVar("T")
State = Literal["loading", "ready", "refused", "failed", "withdrawn"]


class OtherCode(SwathError):
    """A version that other code made: only a Bento of that code may serve it."""


@dataclass(frozen=True)
class Slot:
    """One run: the version that answers requests, and what became of the one that was promoted last."""

    run: str
    wanted: str | None = None
    state: State = "loading"
    reason: str = ""
    serving: LoadedVersion | None = None

    def as_json(self) -> dict[str, Any]:
        """The slot as `/models` shows it."""
        return {
            "run": self.run,
            "task": self.serving.task_name if self.serving else None,
            "version": self.serving.id if self.serving else None,
            "promoted": self.wanted,
            "state": self.state,
            "reason": self.reason,
            "code_digest": self.serving.code_digest if self.serving else None,
        }


def spoilt(old: Slot, wanted: str, error: BaseException) -> Slot:
    """The slot after a load that failed: the old version goes on serving."""
    state: State = "refused" if isinstance(error, OtherCode) else "failed"
    foreseen = isinstance(error, SwathError)
    reason = str(error) if foreseen else f"{type(error).__name__}: {error}"
    logger.error("%s %s is %s: %s", old.run, wanted, state, reason, exc_info=None if foreseen else error)
    return replace(old, wanted=wanted, state=state, reason=reason)


def tried(call: Callable[[], T]) -> T | BaseException:
    """What ``call`` returns or raises, whatever that is: a version may fail in any way, and none may end the watch."""
    with ThreadPoolExecutor(1, "tried") as pool:
        future = pool.submit(call)
    error = future.exception()
    return future.result() if error is None else error
