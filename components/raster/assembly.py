"""TIFF pictures put together into one Cloud Optimised GeoTIFF, without decoding a tile.

A COG holds all its directories first, then the tiles of its smallest overview, and those of the full resolution last.
A stream of tiles cannot be written in that order, and GDAL's own driver decodes and encodes everything a second time
and walks through what is empty. Here tiles are moved as the bytes that they are; empty ones take no space.
Layout: TIFF 6.0 (Adobe 1992) and BigTIFF; https://docs.ogc.org/is/21-026/21-026.html (OGC Cloud Optimized GeoTIFF).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from components.errors import BadScene

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SHORT, _LONG, _LONG8 = 3, 4, 16
_SUBFILE, _OFFSETS, _COUNTS = 254, 324, 325
_REDUCED = 1  # the value of NewSubfileType that says "a smaller version of the picture"
# What the full resolution says for the whole file: place on the ground, and metadata.
_OF_THE_FILE = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112})
_CLASSIC_END = 2**32 - 2**20


@dataclass(frozen=True)
class _Entry:
    """One field of a directory: TIFF type, number of values, their bytes."""

    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class _Picture:
    """One tiled TIFF: its fields but the two of its tiles, and where the tiles lie (offset, bytes)."""

    path: Path
    fields: dict[int, _Entry]
    tiles: tuple[tuple[int, int], ...]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.tiles)


def assemble(pictures: Sequence[Path], target: Path) -> None:
    """The little-endian BigTIFFs of one picture each, full resolution first, as one COG at ``target``.

    The same tiles give the same bytes, in whatever order they were written. BigTIFF only where the size asks for it.

    Raises:
        BadScene: if a file is no little-endian BigTIFF of one tiled picture.
        OSError: if the target cannot be written.
    """
    parts = [_picture(path) for path in pictures]
    parts = [parts[0], *(_as_overview(part) for part in parts[1:])]
    big = _laid_out(parts, True)[1] > _CLASSIC_END
    head, end = _laid_out(parts, big)
    with target.open("wb") as file:
        file.write(head)
        for part in reversed(parts):
            _copy_tiles(part, file)
        if file.tell() != end:
            raise OSError(f"{target.parent} cannot hold the file; is the disk full?")


def _picture(path: Path) -> _Picture:
    with path.open("rb") as file:
        if file.read(8) != struct.pack("<2sHHH", b"II", 43, 8, 0):
            raise BadScene(path, "no little-endian BigTIFF", "write it with BIGTIFF=YES")
        file.seek(*struct.unpack("<Q", file.read(8)))
        (count,) = struct.unpack("<Q", file.read(8))
        raw = [struct.unpack("<HHQ8s", file.read(20)) for _ in range(count)]
        fields = {tag: _Entry(kind, n, _value(file, kind, n, inline)) for tag, kind, n, inline in raw}
    try:
        offsets, counts = (_numbers(fields.pop(tag)) for tag in (_OFFSETS, _COUNTS))
    except KeyError as error:
        raise BadScene(path, "no tiles", "write it tiled") from error
    return _Picture(path, fields, tuple(zip(offsets, counts, strict=True)))


def _value(file: BinaryIO, kind: int, count: int, inline: bytes) -> bytes:
    size = _SIZES[kind] * count
    if size <= len(inline):
        return inline[:size]
    file.seek(*struct.unpack("<Q", inline))
    return file.read(size)


def _numbers(entry: _Entry) -> tuple[int, ...]:
    letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}[entry.kind]
    return struct.unpack(f"<{entry.count}{letter}", entry.data)


def _as_overview(picture: _Picture) -> _Picture:
    kept = {tag: entry for tag, entry in picture.fields.items() if tag not in _OF_THE_FILE}
    return replace(picture, fields=kept | {_SUBFILE: _Entry(_LONG, 1, struct.pack("<I", _REDUCED))})


def _laid_out(pictures: Sequence[_Picture], big: bool) -> tuple[bytes, int]:
    """The header with all directories, and where the file ends."""
    sizes = [_directory_size(picture, big) for picture in pictures]
    start = 16 if big else 8
    data = start + sum(sizes)
    places: dict[int, int] = {}
    for number in reversed(range(len(pictures))):
        places[number] = data
        data += pictures[number].bytes
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8)
    for number, picture in enumerate(pictures):
        after = start + sum(sizes[: number + 1]) if number + 1 < len(pictures) else 0
        head += _directory(picture, places[number], len(head), after, big)
    return head, data


def _fields(picture: _Picture, place: int, big: bool) -> list[tuple[int, _Entry]]:
    """All fields in the order of their tags, the tiles laid one behind the other from ``place`` on."""
    kind, letter = (_LONG8, "Q") if big else (_LONG, "I")
    offsets = []
    for _, size in picture.tiles:
        offsets.append(place if size else 0)  # an empty tile is nowhere
        place += size
    counts = [size for _, size in picture.tiles]
    tables = {_OFFSETS: offsets, _COUNTS: counts}
    made = {
        tag: _Entry(kind, len(numbers), struct.pack(f"<{len(numbers)}{letter}", *numbers))
        for tag, numbers in tables.items()
    }
    return sorted((picture.fields | made).items())


def _directory_size(picture: _Picture, big: bool) -> int:
    entry, inline, frame = (20, 8, 16) if big else (12, 4, 6)
    # Where the tiles lie does not change how long the table of their places is; zeros would not fit a classic file.
    sizes = [len(field.data) for _, field in _fields(replace(picture, tiles=((0, 0),) * len(picture.tiles)), 0, big)]
    return frame + entry * len(sizes) + sum(_even(size) for size in sizes if size > inline)


def _directory(picture: _Picture, place: int, at: int, after: int, big: bool) -> bytes:
    """One directory that begins at byte ``at``; its longer values follow it. The next begins at ``after``."""
    fields = _fields(picture, place, big)
    entry, inline, word, frame = (20, 8, "<Q", 16) if big else (12, 4, "<I", 6)
    head, tail = struct.pack("<Q" if big else "<H", len(fields)), b""
    behind = at + frame + entry * len(fields)
    for tag, field in fields:
        if len(field.data) > inline:
            value, tail = struct.pack(word, behind + len(tail)), tail + field.data.ljust(_even(len(field.data)), b"\0")
        else:
            value = field.data.ljust(inline, b"\0")
        head += struct.pack("<HHQ" if big else "<HHI", tag, field.kind, field.count) + value
    return head + struct.pack(word, after) + tail


def _even(size: int) -> int:
    return size + size % 2  # values begin on even bytes


def _copy_tiles(picture: _Picture, target: BinaryIO) -> None:
    with picture.path.open("rb") as source:
        for offset, size in picture.tiles:
            if size:
                source.seek(offset)
                target.write(source.read(size))
