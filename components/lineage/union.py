"""Lock files merged by what they mean: stage by stage, not line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import LineageBroken

TIMINGS = "data/timings/"  # never compared: of two, either will do
Entry = Mapping[str, Any]
Entries = Mapping[str, Entry]


def union(base: Entries, ours: Entries, theirs: Entries, where: str) -> dict[str, Entry]:
    """The stages of both sides; of a stage that one side changed, that side's entry.

    Raises:
        LineageBroken: names every stage that both sides changed differently.
    """
    names = dict.fromkeys([*ours, *theirs])
    if both := [name for name in names if _clash(base.get(name), ours.get(name), theirs.get(name))]:
        raise LineageBroken(f"{where}: both sides have a result of {', '.join(both)}; keep one, or run it again on top")
    taken = {name: theirs.get(name) if _keeps(base, ours, theirs, name) else ours.get(name) for name in names}
    return {name: entry for name, entry in taken.items() if entry is not None}


def _keeps(base: Entries, ours: Entries, theirs: Entries, name: str) -> bool:
    """Whether our side has nothing of its own to say about a stage."""
    return ours.get(name) == base.get(name) or _timeless(ours.get(name)) == _timeless(theirs.get(name))


def _clash(base: Entry | None, ours: Entry | None, theirs: Entry | None) -> bool:
    return base not in (ours, theirs) and _timeless(ours) != _timeless(theirs)


def _timeless(entry: Entry | None) -> Entry | None:
    if entry is None:
        return None
    return {**entry, "outs": [out for out in entry.get("outs", ()) if not out["path"].startswith(TIMINGS)]}
