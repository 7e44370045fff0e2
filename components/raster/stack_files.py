"""Which files make which date of a radar time series: names, passes, relative orbits, duplicates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.errors import BadScene, NotEnoughData, UnknownName

# OPERA RTC-S1 product specification (JPL D-108758): burst, start of acquisition, processing, satellite, spacing.
OPERA_RTC_S1 = (
    r"(?:.*/)?OPERA_L2_RTC-S1_T(?P<orbit>\d{3})-(?P<part>\d{6}-IW\d)_(?P<date>\d{8}T\d{6}Z)_\d{8}T\d{6}Z"
    r"_S1[A-Z]_\d+_v[\d.]+_(?P<band>VV|VH|HH|HV)\.tif"
)
PASS = timedelta(hours=6)  # parts of one pass follow within minutes, the next pass of an orbit after days
_ORDER = ("VV", "VH", "HH", "HV")


@dataclass(frozen=True)
class SeriesFile:
    """One file of a series: when it was acquired, and what its name says of band, part (burst) and relative orbit."""

    path: Path
    time: datetime
    band: str | None = None
    part: str = ""
    orbit: str | None = None


def named_files(folder: Path, pattern: str) -> list[SeriesFile]:
    """The files below ``folder`` whose relative path matches ``pattern`` whole, by time; others are left alone.

    ``pattern`` is a regular expression with the group `date` (`20231203`, `2023-12-03`, `20231203T015910Z`, UTC)
    and, where the names say so, `band`, `part` (burst, frame) and `orbit` (relative orbit).

    Raises:
        NotEnoughData: if no file matches.
        BadScene: if the folder is not there, or a date cannot be read.
        ValueError: if the pattern has no group `date`.
    """
    expression = re.compile(pattern)
    if "date" not in expression.groupindex:
        raise ValueError(f"the pattern {pattern!r} needs a group (?P<date>...)")
    if not folder.is_dir():
        raise BadScene(folder, "there is no such folder", "give the folder that holds the dates of the series")
    found = []
    for path in sorted(folder.rglob("*")):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match and path.is_file():
            found.append(_file(path, match.groupdict()))
    if not found:
        raise NotEnoughData(f"{folder}: no file name matches {pattern!r}; give the pattern of these names")
    return sorted(found, key=lambda file: (file.time, file.path))


def one_orbit(files: Sequence[SeriesFile], orbit: str | int | None, where: object) -> list[SeriesFile]:
    """The files of one relative orbit: the chosen one, or the only one.

    Raises:
        BadScene: if there are several and none is chosen; names each with its dates.
        UnknownName: if there is none of the chosen orbit.
    """
    known: dict[str, list[SeriesFile]] = {}
    for file in files:
        known.setdefault(_orbit_name(file.orbit or ""), []).append(file)
    if orbit is not None:
        wanted = _orbit_name(str(orbit))
        if wanted not in known:
            raise UnknownName("relative orbit", str(orbit), (name or "not in the file names" for name in known))
        return known[wanted]
    if len(known) > 1:
        counts = (f"{name or 'unnamed'} ({len(passes(own))} dates)" for name, own in sorted(known.items()))
        reason = f"the relative orbits {', '.join(counts)} are mixed, and each looks at the ground from another side"
        raise BadScene(where, reason, "choose one with orbit=...")
    return list(files)


def passes(files: Iterable[SeriesFile]) -> list[list[SeriesFile]]:
    """The files of each pass over the ground, by time; a pass around midnight stays one."""
    grouped: list[list[SeriesFile]] = []
    for file in sorted(files, key=lambda file: file.time):
        if grouped and file.time - grouped[-1][-1].time <= PASS:
            grouped[-1].append(file)
        else:
            grouped.append([file])
    return grouped


def require_single(files: Sequence[SeriesFile], where: object) -> None:
    """Nothing where each band and part stands once in the files of one pass.

    Raises:
        BadScene: names both files.
    """
    seen: dict[tuple[str | None, str], SeriesFile] = {}
    for file in files:
        other = seen.setdefault((file.band, file.part), file)
        if other is not file:
            names = " and ".join(sorted(each.path.name for each in (other, file)))
            what = " ".join(name for name in (file.band, file.part) if name)
            reason = f"{file.time:%Y-%m-%d} stands twice{f' for {what}' if what else ''}: {names}"
            raise BadScene(where, reason, "remove one, or let the pattern's group `part` tell them apart")


def ordered(bands: Iterable[str]) -> tuple[str, ...]:
    """Bands in the field's order: co-polarised before cross-polarised, others by name."""
    rank = {name: index for index, name in enumerate(_ORDER)}
    return tuple(sorted(set(bands), key=lambda name: (rank.get(name, len(rank)), name)))


def _file(path: Path, groups: dict[str, str | None]) -> SeriesFile:
    text = (groups["date"] or "").replace("_", "-")
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        reason = f"{text!r} in the name is no date"
        raise BadScene(path, reason, "let the group `date` match YYYYMMDD, YYYY-MM-DD or ISO 8601") from error
    band = groups.get("band")
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return SeriesFile(path, time, band.upper() if band else None, groups.get("part") or "", groups.get("orbit"))


def _orbit_name(text: str) -> str:
    return text.strip().upper().lstrip("T").lstrip("0")
