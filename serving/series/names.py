"""What the names of uploaded files say: date, polarisation, burst and orbit. A name is never a path of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from components.errors import BadScene, NotEnoughData, UnknownName
from components.raster.dated import DATED
from components.raster.stack_files import OPERA_RTC_S1, SeriesFile, one_orbit, passes, require_single
from serving.errors import TooLarge, WrongForm
from serving.jobs.receiving import SERIES

LONGEST_NAME = 128
EXAMPLE = "S1_{date}_{band}.tif"
# A template and no regular expression: one from outside could keep the process matching for ever.
PLACES = {
    "{date}": r"(?P<date>(?:19|20)\d{2}(?:\d{4}|-\d\d-\d\d|_\d\d_\d\d)(?:T\d{6}Z?)?)",
    "{band}": r"(?P<band>(?i:VV|VH|HH|HV))",
    "{orbit}": r"(?P<orbit>\d{1,3})",
    "{part}": r"(?P<part>[A-Za-z0-9-]+)",
    "*": ".*",
}
OPEN_ENDED, MOST_OPEN_ENDED = ("{part}", "*"), 2  # each one more multiplies what matching may take
_PIECES = re.compile(r"(\{[^{}]*\}|\*)")


def said_by_names(names: Sequence[str], pattern: str | None = None) -> list[SeriesFile]:
    """What each name says, in the order given; ``path`` is the name and nothing on a disk.

    Without ``pattern``, a template such as `S1_{date}_{band}.tif`, names are those of OPERA RTC-S1 or hold a date.

    Raises:
        WrongForm: if the template is none, or a name does not fit or holds no date.
    """
    plain = [_plain(name) for name in names]
    expression, wanted = _expression(plain, pattern)
    return [_said(name, expression, wanted) for name in plain]


def of_one_orbit(files: Sequence[SeriesFile], orbit: str | None, *, least: int, most: int) -> list[SeriesFile]:
    """The files of the orbit that was chosen, or of the only one, by time.

    Raises:
        WrongForm: if orbits are mixed, a date stands twice, or there is no such orbit.
        NotEnoughData: if there are fewer dates than ``least``.
        TooLarge: if there are more than ``most``.
    """
    try:
        kept = one_orbit(sorted(files, key=lambda file: (file.time, file.path)), orbit, SERIES)
        dates = passes(kept)
        for files_of_date in dates:
            require_single(files_of_date, SERIES)
    except UnknownName as error:
        raise WrongForm(f"form field orbit: {error}") from error
    except BadScene as error:  # each file may be read: what is wrong is what was sent together
        raise WrongForm(str(error)) from error
    if len(dates) < least:
        found = ", ".join(f"{each[0].time:%Y-%m-%d}" for each in dates)
        raise NotEnoughData(f"{SERIES}: expected at least {least} dates, found {len(dates)} ({found}); send more dates")
    if len(dates) > most:
        raise TooLarge(
            f"{SERIES}: {len(dates)} dates, at most {most} are taken (SWATH_MAX_DATES); send a shorter period"
        )
    return kept


def are_opera(files: Sequence[SeriesFile]) -> bool:
    """True where the names are those of OPERA RTC-S1, whose numbers are linear intensity by specification."""
    return all(re.fullmatch(OPERA_RTC_S1, file.path.name) for file in files)


def _plain(name: str) -> str:
    """The last part of what a client calls its file."""
    last = re.split(r"[/\\]", name)[-1]
    if not 0 < len(last) <= LONGEST_NAME or not last.isprintable():
        shown = f"{last[:40]!r}" if last else "none"
        limit = f"1 to {LONGEST_NAME} printable characters"
        raise WrongForm(f"{SERIES}: expected file names of {limit}, found {shown}; the name says the date of a file")
    return last


def _expression(names: Sequence[str], pattern: str | None) -> tuple[re.Pattern[str], str]:
    if pattern is not None:
        return _compiled(pattern), f"the pattern {pattern}"
    if any(re.fullmatch(OPERA_RTC_S1, name) for name in names):
        return re.compile(OPERA_RTC_S1), "OPERA RTC-S1, as other names of this form"
    return re.compile(DATED), f"a date such as 20231203 or 2023-12-03 and the ending .tif (or a pattern: {EXAMPLE})"


def _compiled(pattern: str) -> re.Pattern[str]:
    """The expression of a template; matching it takes milliseconds whatever the name."""
    pieces = _PIECES.split(pattern)
    places = [piece for piece in pieces if _PIECES.fullmatch(piece)]
    named = [place for place in places if place != "*"]
    open_ended = sum(place in OPEN_ENDED for place in places)
    known = set(named) <= PLACES.keys() and len(named) == len(set(named)) and "{date}" in named
    if not known or open_ended > MOST_OPEN_ENDED or len(pattern) > LONGEST_NAME:
        raise WrongForm(
            "form field pattern: expected a template with {date} and maybe {band}, {orbit}, {part}, each once, "
            f"and * for anything ({MOST_OPEN_ENDED} of * and {{part}} at most), found {pattern[:LONGEST_NAME]!r}; "
            f"an example is {EXAMPLE}"
        )
    return re.compile("".join(PLACES.get(piece, re.escape(piece)) for piece in pieces))


def _said(name: str, expression: re.Pattern[str], wanted: str) -> SeriesFile:
    match = expression.fullmatch(name)
    if match is None:
        raise WrongForm(f"{SERIES}: expected file names with {wanted}, found {name!r}")
    groups = match.groupdict()
    try:
        time = datetime.fromisoformat(groups["date"].replace("_", "-"))
    except ValueError as error:
        raise WrongForm(
            f"{SERIES}: {groups['date']!r} in the name {name!r} is no date; name files by the day"
        ) from error
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    band = groups.get("band")
    return SeriesFile(Path(name), time, band.upper() if band else None, groups.get("part") or "", groups.get("orbit"))
