"""How large a TIFF says it is, read from its first directory without decoding anything."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.errors import TooLarge

WIDTH, LENGTH = 256, 257  # tags of the first directory
ENTRIES = 4096  # more than any file has; a lying count is not followed further
_KINDS = {1: 1, 3: 2, 4: 4, 16: 8}  # field type: bytes


def require_small(files: Mapping[str, bytes | Path], limit_mpx: float) -> None:
    """Nothing where no file is a raster above the limit; what cannot be read as a TIFF is for the opener to refuse.

    Raises:
        TooLarge: says how large, the limit, and that a job takes it.
    """
    for name, content in files.items():
        found = pixels_of(content) / 1e6
        if found > limit_mpx:
            raise TooLarge(
                f"{name}: {found:.1f} megapixels, at most {limit_mpx:g} are answered at once (SWATH_MAX_SYNC_MPX); "
                "send the same form to POST /jobs with the field task"
            )


def require_small_together(files: Sequence[Path], limit_mpx: float) -> None:
    """As `require_small`, for the files of a time series: what counts is how large they are together.

    Raises:
        TooLarge: says how large, the limit, and that a job takes it.
    """
    found = sum(map(pixels_of, files)) / 1e6
    if found > limit_mpx:
        raise TooLarge(
            f"series: {found:.1f} megapixels in {len(files)} files, at most {limit_mpx:g} are answered at once "
            "(SWATH_MAX_SYNC_MPX); send the same form to POST /jobs with the field task"
        )


def pixels_of(content: bytes | Path) -> int:
    """Columns times rows of the first picture in bytes or in a file; 0 where they are no TIFF."""
    try:
        if isinstance(content, bytes):
            return _pixels(content)
        with content.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _pixels(mapped)
    except (struct.error, IndexError, ValueError):  # ValueError: an empty file cannot be mapped
        return 0


def _pixels(content: bytes | mmap.mmap) -> int:
    order = {b"II": "<", b"MM": ">"}.get(bytes(content[:2]))
    if order is None:
        return 0
    (magic,) = struct.unpack_from(f"{order}H", content, 2)
    if magic not in (42, 43):
        return 0
    big = magic == 43
    (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, at)
    first, step, value = at + (8 if big else 2), 20 if big else 12, 12 if big else 8
    edges = {WIDTH: 0, LENGTH: 0}
    for entry in range(first, first + min(count, ENTRIES) * step, step):
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag in edges and kind in _KINDS:
            size = _KINDS[kind]
            raw = content[entry + value : entry + value + size]
            edges[tag] = int.from_bytes(raw, "little" if order == "<" else "big")
    return edges[WIDTH] * edges[LENGTH]
