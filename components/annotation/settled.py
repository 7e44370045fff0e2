"""Windows that a person has looked at: what a rule does not believe of their label is settled, until it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.annotation.digest import digest_of
from components.raster.dataset import Source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.tasks.quarantine import Suspicion
from components.tasks.review_history import DRAWN, Entry, read_history


@dataclass(frozen=True)
class Settled:
    """By scene the windows whose label is as a person left it, and the names of the rules that bow to that."""

    windows: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()

    def __call__(self, found: Suspicion) -> bool:
        """Whether all of a suspicious window was looked at, and its rule is one that a person settles."""
        return found.rule in self.rules and covered(found.window, self.windows.get(found.scene, ()))


def settled_windows(raw: Path, sources: Sequence[Source], role: str) -> dict[str, list[Window]]:
    """By scene the windows of ``role`` reviewed and left alone since; a verdict of `cannot tell` settles nothing.

    Raises:
        BadParams: if the history of reviews cannot be read.
        BadScene: if a label cannot be read.
    """
    last = {(each.scene, each.window): each for each in read_history(raw) if each.role == role}
    files = {each.id: each.files[role] for each in sources if role in each.files}
    found: dict[str, list[Window]] = {}
    for entry in last.values():
        if entry.scene in files and entry.verdict == DRAWN and _stands(entry, files[entry.scene]):
            found.setdefault(entry.scene, []).append(entry.place)
    return found


def _stands(entry: Entry, path: Path) -> bool:
    """Whether the label in the window is the one that the person left."""
    return digest_of(read_scene(path, window=entry.place)) == entry.label_after


def covered(window: Window, by: Sequence[Window]) -> bool:
    """Whether every pixel of a window lies in one of the others, all of one grid."""
    left = np.ones((window.rows, window.cols), np.bool_)
    for each in by:
        rows = slice(max(each.row - window.row, 0), max(each.row + each.rows - window.row, 0))
        cols = slice(max(each.col - window.col, 0), max(each.col + each.cols - window.col, 0))
        left[rows, cols] = False
    return not left.any()
