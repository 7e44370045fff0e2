"""A folder of dated files as a user has it: the names say when, and mostly which polarisation."""

from __future__ import annotations

import re
from pathlib import Path

from components.errors import BadParams
from components.raster.scene import Unit
from components.raster.stack_files import OPERA_RTC_S1
from components.raster.stacks import StackSource, folder_stack, opera_stack

_BAND = r"(?<![A-Za-z0-9])(?i:VV|VH|HH|HV)(?![A-Za-z0-9])"
_DAY = r"(?:19|20)\d{2}(?:[01]\d[0-3]\d|-[01]\d-[0-3]\d)"
# The first date in the name of a TIFF, and the polarisation where exactly one stands there.
DATED = (
    r"(?:.*/)?"
    rf"(?:(?![^/]*{_BAND}[^/]*{_BAND})(?=[^/]*{_BAND.replace('(?i:', '(?P<band>(?i:').replace('HV)', 'HV))')})|)"
    rf"[^/]*?(?<!\d)(?P<date>{_DAY}(?:T\d{{6}}Z?)?)(?!\d)[^/]*\.(?i:tiff?)"
)


def dated_stack(
    folder: Path, *, pattern: str | None = None, orbit: str | None = None, unit: Unit | None = None
) -> StackSource:
    """The series that a folder holds; without ``pattern`` OPERA RTC-S1 files, else TIFFs with a date in their names.

    Raises:
        BadParams: if the pattern is no regular expression or has no group `date`.
        SwathError: as `stacks.folder_stack`.
    """
    if pattern is not None:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise BadParams("pattern", f"{pattern!r} is no regular expression ({error})") from error
        if "date" not in groups:
            example = r"S1_(?P<date>\d{8})_(?P<band>VV|VH)\.tif"
            raise BadParams("pattern", f"{pattern!r} has no group `date`; an example is {example}")
        return folder_stack(folder, pattern, unit=unit, orbit=orbit)
    if folder.is_dir() and unit in (None, "intensity") and _is_opera(folder):
        return opera_stack(folder, orbit=orbit)
    return folder_stack(folder, DATED, unit=unit, orbit=orbit)


def _is_opera(folder: Path) -> bool:
    expression = re.compile(OPERA_RTC_S1)
    return any(expression.fullmatch(path.relative_to(folder).as_posix()) for path in folder.rglob("OPERA_*.tif"))
