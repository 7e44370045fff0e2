"""Dated files of one radar become one source a part of the ground (a burst, a frame): all dates on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from components.errors import BadScene
from components.ingestion.candidates import SAFE_ID, Candidate, filled
from components.ingestion.declaration import Declaration
from components.ingestion.layouts import SeriesLayout
from components.ingestion.reading import Reading, read_image
from components.raster.dataset import Quarantined
from components.raster.decoding import DecoderPool
from components.raster.scene import Scene, require_one_grid
from components.raster.stack_files import SeriesFile, named_files, one_orbit, passes

LINEAR = ("amplitude", "intensity")


@dataclass(frozen=True)
class Acquisition:
    """One date of a candidate: when, and which of its files holds which declared bands."""

    time: datetime
    bands: Mapping[str, tuple[str, ...]]  # key of the file in `Candidate.files` -> bands


@dataclass(frozen=True)
class SeriesCandidate(Candidate):
    """A candidate whose scenes are dates: role `date-YYYYMMDD` -> what it is made of."""

    dates: Mapping[str, Acquisition] = field(default_factory=dict)


def discover_series(folder: Path, declaration: Declaration) -> tuple[list[Candidate], list[Quarantined]]:
    """One candidate a part, sorted by id, and the dates that lack a band or stand twice, with the reason.

    Raises:
        BadScene: if the folder is not there or mixes relative orbits.
        NotEnoughData: if no file has a name of the declared pattern.
        BadParams: if the id asks for a group that the pattern does not have.
    """
    layout = declaration.layout
    assert isinstance(layout, SeriesLayout), "only a series layout comes here"
    wanted = declaration.image.bands if declaration.image else ()
    parts: dict[str, list[SeriesFile]] = {}
    for file in one_orbit(named_files(folder, layout.name), None, folder):
        parts.setdefault(file.part, []).append(file)
    candidates: list[Candidate] = []
    quarantined: list[Quarantined] = []
    for _, files in sorted(parts.items()):
        candidate, lost = _candidate(files, wanted, layout, declaration)
        quarantined += lost
        if SAFE_ID.fullmatch(candidate.id) and len(candidate.dates) >= layout.least_dates:
            candidates.append(candidate)
        else:
            reason = f"has {len(candidate.dates)} whole dates, {layout.least_dates} are needed, under a plain name"
            quarantined.append(Quarantined(candidate.id, reason))
    return sorted(candidates, key=lambda each: each.id), sorted(quarantined, key=lambda each: each.name)


def _candidate(
    files: Sequence[SeriesFile], wanted: Sequence[str], layout: SeriesLayout, declaration: Declaration
) -> tuple[SeriesCandidate, list[Quarantined]]:
    groups = {"part": files[0].part, "orbit": files[0].orbit or ""}
    id = filled(layout.id, groups)
    kept: dict[str, Path] = {}
    dates: dict[str, Acquisition] = {}
    lost = []
    for own in passes(files):
        day = f"{own[0].time:%Y%m%d}"
        problem = _problem(own, wanted)
        if problem:
            lost.append(Quarantined(f"{id}-{day}", problem))
            continue
        role = f"date-{day}"
        keys = {f"{role}-{file.band}" if file.band else role: file for file in own}
        kept |= {key: file.path for key, file in keys.items()}
        bands = {key: (file.band,) if file.band else tuple(wanted) for key, file in keys.items()}
        dates[role] = Acquisition(own[0].time, bands)
    properties = {key: filled(text, groups) for key, text in declaration.properties.items()}
    return SeriesCandidate(id, filled(layout.place, groups), kept, properties, dates=dates), lost


def _problem(files: Sequence[SeriesFile], wanted: Sequence[str]) -> str | None:
    found = [file.band for file in files]
    if found == [None]:
        return None
    doubled = sorted({str(band) for band in found if found.count(band) > 1})
    missing = [band for band in wanted if band not in found]
    if doubled:
        return f"more than one file of {', '.join(doubled)}: {', '.join(file.path.name for file in files)}"
    return f"no {' and no '.join(missing)} beside {', '.join(file.path.name for file in files)}" if missing else None


def read_series(candidate: SeriesCandidate, declaration: Declaration, decoders: DecoderPool) -> Reading:
    """Scenes by role, one a date with its time, bands in the declared order.

    Linear numbers of 0 and below are no measurement (borders, noise subtracted) and become nodata.

    Raises:
        SwathError: says why the candidate cannot be used (broken, empty, no CRS, dates on different grids).
    """
    scenes = {role: _date(candidate, made, declaration, decoders) for role, made in candidate.dates.items()}
    require_one_grid(scenes)
    return Reading(scenes, {}, {})


def _date(candidate: SeriesCandidate, made: Acquisition, declaration: Declaration, decoders: DecoderPool) -> Scene:
    declared = declaration.image
    assert declared is not None, "a layout goes with an image"
    found: dict[str, Scene] = {}
    for key, bands in made.bands.items():
        path = candidate.files[key]
        read = read_image(path, declared.model_copy(update={"bands": bands}), decoders)
        if declaration.needs_crs and read.grid.crs is None:
            raise BadScene(path, "has no CRS", "ask its maker, or set needs_crs: false if it has no place")
        found |= {name: read.select((name,)) for name in read.bands}
    require_one_grid(found)
    first = found[declared.bands[0]]
    array = np.concatenate([found[name].array for name in declared.bands]).astype(np.float32)
    if declared.unit in LINEAR:
        array[array <= 0] = np.nan
    return replace(first, array=array, bands=declared.bands, nodata=float("nan"), acquired=made.time)
