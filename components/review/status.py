"""How far reviews are: what is exported, what was merged, and whether labels still are what was merged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.review.project import FILE, pixels_sha256, read_project
from components.tasks.review_history import Entry, read_history


@dataclass(frozen=True)
class ReviewStatus:
    """Chips of a review by what became of them."""

    review: str
    dataset: str
    folder: Path
    chips: int
    merged: int
    changed_px: int
    lost: tuple[str, ...]  # merged chips whose label is another one today


def statuses(folder: Path, raws: Path) -> tuple[ReviewStatus, ...]:
    """The reviews below ``folder``, sorted by name; ``raws`` is `data/sources`.

    Raises:
        BadParams: if a sidecar or history cannot be read.
    """
    found = []
    for path in sorted(folder.glob(f"*/{FILE}")):
        project = read_project(path.parent)
        raw = raws / project.dataset / "raw"
        mine = [each for each in read_history(raw) if each.review == project.id]
        last = {each.chip: each for each in mine}
        changed = sum(each.changed_px for each in mine)
        known = {chip.id for chip in project.chips}
        lost = tuple(entry.chip for entry in overwritten(raw) if entry.chip in known and entry.review == project.id)
        found.append(
            ReviewStatus(project.id, project.dataset, path.parent, len(project.chips), len(last), changed, lost)
        )
    return tuple(found)


def overwritten(raw: Path) -> tuple[Entry, ...]:
    """The last correction of every chip whose label is no longer what it made: it was ingested anew, or edited.

    A later correction of overlapping ground counts as such, too.
    """
    history = read_history(raw)
    sources = {source.id: source for source in read_sources(raw)} if history else {}
    last = {(entry.chip, entry.role): entry for entry in history}
    return tuple(
        entry
        for entry in last.values()
        if entry.scene not in sources
        or pixels_sha256(read_scene(sources[entry.scene].files[entry.role], window=entry.place)) != entry.label_after
    )
