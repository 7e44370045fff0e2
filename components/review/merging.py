"""Corrections merged into a dataset: a new version of it, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BadParams, LineageBroken, UnknownName
from components.raster.cog import write_scene
from components.raster.dataset import MANIFEST, QUARANTINE, Quarantined, Source, finish, read_sources, verify_manifest
from components.raster.io import read_scene
from components.raster.scene import Features, Scene
from components.raster.vector_files import VECTORS, read_features, write_features
from components.review.corrections import Correction
from components.review.project import Chip, Project, pixels_sha256, version_of
from components.review.shapes import codes_of, on_map, polygons_of
from components.tasks.review_history import FILE, UNSURE, Entry, append_history, read_history

REVIEWS = "reviews"  # what was drawn, as map geometry


@dataclass(frozen=True)
class Merged:
    """What an import came to: the dataset's version before and after, and chips by what became of them."""

    before: str
    after: str
    changed: tuple[str, ...]
    confirmed: tuple[str, ...]  # looked at, no pixel differs
    unsure: tuple[str, ...]
    known: tuple[str, ...]  # merged before: nothing was done
    changed_px: int

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        lists = {name: list(getattr(self, name)) for name in ("changed", "confirmed", "unsure", "known")}
        return {"version_before": self.before, "version": self.after, **lists, "changed_px": self.changed_px}


@dataclass(frozen=True)
class _Step:
    """A correction against the label as it stands: the codes that it makes, and its line of the history."""

    chip: Chip
    correction: Correction
    codes: NDArray[np.generic]
    entry: Entry


def merge(raw: Path, project: Project, corrections: Sequence[Correction], form: str) -> Merged:
    """The corrections burnt into the labels of ``raw``, inside the reviewed chips only; a new manifest and history.

    Either all corrections are merged or none. The same correction again changes nothing. ``form`` says what the
    corrections came as.

    Raises:
        UnknownName: if the review is of another dataset, or a scene is gone.
        LineageBroken: names the chips whose label or images are not those that were looked at, or a file of the
            dataset that is not the one of its manifest.
        BadParams: if a chip stands twice among the corrections.
    """
    before = version_of(raw)
    _require_of(raw, project)
    verify_manifest(raw)
    sources = {source.id: source for source in read_sources(raw)}
    _require_once(corrections)
    history = read_history(raw)
    todo, known, stale = [], [], []
    for correction in corrections:
        chip = project.chip(correction.chip)
        label, problem = _standing(sources, project, chip, history)
        if _is_known(correction, chip, project, history, label):
            known.append(chip.id)
        elif problem:
            stale.append(f"{chip.id}: {problem}")
        else:
            todo.append(_step(project, chip, correction, label, form))
    if stale:
        raise LineageBroken(f"nothing was merged: {'; '.join(stale)}; export these chips again")
    if todo:
        _write(raw, project, sources, todo)
    return _merged(before, version_of(raw), todo, known)


def _require_of(raw: Path, project: Project) -> None:
    """A dataset that says its name must have that of the review."""
    dataset = json.loads((raw / MANIFEST).read_text())["dataset"]
    if dataset != project.dataset:
        raise UnknownName(f"dataset in review {project.id}", dataset, [project.dataset])


def _require_once(corrections: Sequence[Correction]) -> None:
    chips = [each.chip for each in corrections]
    twice = sorted({chip for chip in chips if chips.count(chip) > 1})
    if twice:
        raise BadParams(", ".join(twice), "expected one correction of a chip, found several; keep the one that counts")


def _standing(
    sources: Mapping[str, Source], project: Project, chip: Chip, history: Sequence[Entry]
) -> tuple[Scene, str]:
    """The label of a chip today, and what differs from what the person looked at; empty where nothing does."""
    if chip.scene not in sources:
        raise UnknownName("scene", chip.scene, sources)
    source = sources[chip.scene]
    label = read_scene(source.files[project.role], window=chip.window)
    images = [read_scene(source.files[role], window=chip.window) for role in project.images]
    if not label.grid.same_as(chip.grid):
        return label, "the label lies on another grid than the one that was reviewed"
    if pixels_sha256(*images) != chip.image_sha256:
        return label, "its images changed since it was exported"
    # corrections of this very review may follow each other
    allowed = {chip.label_sha256, *(e.label_after for e in history if (e.review, e.chip) == (project.id, chip.id))}
    return label, "" if pixels_sha256(label) in allowed else "its label changed since it was exported"


def _is_known(correction: Correction, chip: Chip, project: Project, history: Sequence[Entry], label: Scene) -> bool:
    """True where this annotation was merged and nothing was merged into the chip since."""
    mine = [entry for entry in history if entry.chip == chip.id and entry.role == project.role]
    return bool(mine) and mine[-1].annotation == correction.digest and mine[-1].label_after == pixels_sha256(label)


def _step(project: Project, chip: Chip, correction: Correction, label: Scene, form: str) -> _Step:
    old = label.array[0]
    is_unsure = correction.verdict == UNSURE
    new = old if is_unsure else codes_of(correction.regions, label, project.classes, project.background)
    entry = Entry(
        review=project.id,
        chip=chip.id,
        scene=chip.scene,
        window=(chip.window.row, chip.window.col, chip.window.rows, chip.window.cols),
        role=project.role,
        by=correction.by,
        when=correction.when,
        form=form,
        verdict=correction.verdict,
        reason=chip.reason,
        annotation=correction.digest,
        base=project.version,
        label_before=pixels_sha256(label),
        label_after=pixels_sha256(label.with_array(new[None])),
        changed_px=int((old != new).sum()),
        changes=_changes(old, new, label),
    )
    return _Step(chip, correction, new, entry)


def _changes(old: NDArray[Any], new: NDArray[Any], label: Scene) -> dict[str, int]:
    """Changed pixels by `from > to`, in class names."""
    names = {each.code: each.name for each in label.classes}
    differs = old != new
    pairs, counts = np.unique(np.stack([old[differs], new[differs]]), axis=1, return_counts=True)
    named = [[names.get(int(code), "unlabelled") for code in pair] for pair in pairs.T]
    return {f"{a} > {b}": int(count) for (a, b), count in zip(named, counts, strict=True)}


def _write(raw: Path, project: Project, sources: Mapping[str, Source], steps: Sequence[_Step]) -> None:
    """Labels first, history then, manifest last: what was killed between is no finished dataset and says so."""
    untouched = {name: each["sha256"] for name, each in _manifest(raw)["files"].items()}
    for scene in sorted({step.chip.scene for step in steps}):
        here = [step for step in steps if step.chip.scene == scene]
        path = sources[scene].files[project.role]
        label = read_scene(path)
        array = label.array.copy()
        for step in here:
            array[(0, *step.chip.window.slices)] = step.codes
        if (array != label.array).any():
            write_scene(label.with_array(array), path)
            untouched.pop(path.relative_to(raw).as_posix(), None)
        drawn = raw / REVIEWS / project.id / f"{scene}{VECTORS}"
        _draw(drawn, here)
        untouched.pop(drawn.relative_to(raw).as_posix(), None)
    append_history(raw, [step.entry for step in steps])
    untouched.pop(FILE, None)
    lost = json.loads((raw / QUARANTINE).read_text())["quarantined"] if (raw / QUARANTINE).is_file() else []
    untouched.pop(QUARANTINE, None)
    quarantine = [Quarantined(each["name"], each["reason"]) for each in lost]
    finish(raw, project.dataset, quarantine, verified=untouched)


def _draw(path: Path, steps: Sequence[_Step]) -> None:
    """What was drawn in a scene, in its CRS; chips drawn again replace what stood of them."""
    again = {step.chip.id for step in steps}
    rows = [row for row in _drawn(path) if row[1] not in again]
    rows += [
        (on_map(polygon, step.chip.grid), step.chip.id, region.label, step.correction.by, step.correction.when)
        for step in steps
        for region in step.correction.regions
        for polygon in polygons_of(region.shape)
    ]
    names = ("chip", "label", "by", "when")
    columns = {name: np.array([row[index] for row in rows], dtype=object) for index, name in enumerate(names, 1)}
    write_features(Features(tuple(row[0] for row in rows), steps[0].chip.grid.crs, columns), path)


def _drawn(path: Path) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    found = read_features(path)
    columns = (found.table[name].tolist() for name in ("chip", "label", "by", "when"))
    return list(zip(found.geometries, *columns, strict=True))


def _manifest(raw: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((raw / MANIFEST).read_text())
    return content


def _merged(before: str, after: str, steps: Sequence[_Step], known: Sequence[str]) -> Merged:
    unsure = tuple(step.chip.id for step in steps if step.correction.verdict == UNSURE)
    changed = tuple(step.chip.id for step in steps if step.entry.changed_px)
    confirmed = tuple(s.chip.id for s in steps if s.chip.id not in (*unsure, *changed))
    return Merged(before, after, changed, confirmed, unsure, tuple(known), sum(s.entry.changed_px for s in steps))
