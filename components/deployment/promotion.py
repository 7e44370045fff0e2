"""Which version of a run is in service: a pointer with its whole history, as a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from components.errors import StoreUnavailable, VersionNotFound

Action = Literal["promote", "rollback", "withdraw"]


@dataclass(frozen=True)
class Promotion:
    """One move of the pointer: the n-th of its run; ``version`` is None once a run was withdrawn from service."""

    run: str
    n: int
    version: str | None
    action: Action
    at: str  # UTC, ISO 8601; the order of moves is ``n``, never the clock


def current(moves: Sequence[Promotion]) -> Promotion | None:
    """The move that put today's version into service; None where no version is."""
    return moves[-1] if moves and moves[-1].version else None


def previous(moves: Sequence[Promotion]) -> str:
    """The version that a rollback restores: the one before today's, rollbacks undone.

    Raises:
        VersionNotFound: if there was none before.
    """
    stack: list[str] = []
    for move in moves:
        if move.action == "promote" and move.version:
            stack.append(move.version)
        elif move.action == "rollback":
            stack.pop()
        else:
            stack.clear()
    if len(stack) < 2:
        run = moves[-1].run if moves else "this run"
        raise VersionNotFound(f"{run} has no earlier version to roll back to; promote one instead")
    return stack[-2]


def appended(
    moves: Sequence[Promotion], run: str, version: str | None, action: Action, at: datetime
) -> list[Promotion]:
    """The history with one more move."""
    return [*moves, Promotion(run, len(moves) + 1, version, action, at.isoformat(timespec="seconds"))]


def to_json(moves: Sequence[Promotion]) -> bytes:
    """The pointer file: today's version first, then every move."""
    version = moves[-1].version if moves else None
    return json.dumps({"version": version, "moves": [asdict(move) for move in moves]}, indent=1).encode()


def from_json(content: bytes, where: str) -> list[Promotion]:
    """Every move of a pointer file, the oldest first.

    Raises:
        StoreUnavailable: if it is no pointer file.
    """
    try:
        return [Promotion(**move) for move in json.loads(content)["moves"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnavailable(f"{where} is no promotion pointer ({error}); restore it from a backup") from error
