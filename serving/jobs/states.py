"""The states of a job and the moves between them: the whole machine, in one table.

`queued` waits for a worker; `running` is held by one worker under a lease; `done`, `failed` and `cancelled` are ends.
A job whose worker lost its lease, gave it back or met a failure that may pass is `queued` again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal["queued", "running", "done", "failed", "cancelled"]
Phase = Literal["waiting", "loading", "fetching", "predicting", "storing", "ended"]

STATES: tuple[State, ...] = get_args(State)
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"done", "failed", "cancelled", "queued"}),
    "done": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
ENDS: frozenset[State] = frozenset(state for state, onward in TRANSITIONS.items() if not onward)


def sources_of(target: State) -> tuple[State, ...]:
    """The states from which a job may come to ``target``."""
    return tuple(state for state in STATES if target in TRANSITIONS[state])
