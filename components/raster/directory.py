"""The directories of a TIFF, read strictly and before GDAL sees the file: libtiff guesses where they are wrong.

TIFF 6.0 and BigTIFF. Nothing is decoded, no number of the file decides how much is read beyond its own size.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BadScene
from components.raster.limits import OpenLimits

ENTRIES = 1000  # of one directory; GDAL writes about twenty
DIRECTORIES = 256  # an image with its overviews and masks has a few dozen
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 259, 262, 277, 284
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets and byte counts
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 278, 322, 323
_YCBCR = 6  # its samples may be shared by pixels

Entries = Mapping[int, tuple[int, int, bytes]]  # tag -> type, count, value or offset
Numbers = NDArray[np.uint64]


def check_directories(descriptor: int, limits: OpenLimits, name: str) -> None:
    """Nothing where every directory and every block of a TIFF lies inside the file, and no directory comes twice.

    Images of more blocks than ``limits`` allow are left to the check of sizes.

    Raises:
        BadScene: names what lies where it cannot, or the limit of bands, for which GDAL takes its time.
    """
    file = _File(descriptor, name)
    order, wide, at = file.start()
    seen: set[int] = set()
    while at:
        if at in seen:
            raise BadScene(name, "a directory that comes after itself", "convert the file with gdal_translate")
        if len(seen) >= DIRECTORIES:
            raise BadScene(name, f"more than {DIRECTORIES} directories", "send one GeoTIFF a scene")
        seen.add(at)
        entries, at = file.directory(at, order, wide)
        image = _Image(file, entries, order)
        if image.has_pixels:
            image.check_bands(limits)
            image.check_blocks(limits.blocks)


def too_many_bands(found: int, limits: OpenLimits, name: str) -> BadScene:
    """The refusal of a file with more bands than are accepted."""
    reason = f"{found} bands, at most {limits.bands} are accepted"
    return BadScene(name, reason, limits.remedy("bands", "send the bands that are needed"))


class _File:
    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self.name = descriptor, name
        self.size = os.fstat(descriptor).st_size

    def bytes(self, at: int, count: int, what: str) -> bytes:
        if at < 0 or count < 0 or at + count > self.size:
            raise self.damaged(f"{what} beyond its end")
        return os.pread(self._descriptor, count, at)

    def damaged(self, how: str) -> BadScene:
        return BadScene(self.name, f"the file is truncated or damaged: {how}", "send it again, or convert it")

    def start(self) -> tuple[str, bool, int]:
        """Byte order, whether it is a BigTIFF, and where the first directory is."""
        head = self.bytes(0, 8, "its header")
        order = "<" if head[:2] == b"II" else ">"
        wide = bool(np.frombuffer(head, f"{order}u2")[1] == 43)
        at = self.bytes(8, 8, "its header") if wide else head[4:]
        return order, wide, int(np.frombuffer(at, f"{order}u{8 if wide else 4}")[0])

    def directory(self, at: int, order: str, wide: bool) -> tuple[Entries, int]:
        """The entries of a directory, and where the next one is."""
        head, word = (8, 8) if wide else (2, 4)
        count = int(np.frombuffer(self.bytes(at, head, "a directory"), f"{order}u{head}")[0])
        if count > ENTRIES:
            raise BadScene(self.name, f"a directory of {count} entries", "convert the file with gdal_translate")
        entry = np.dtype([("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", f"{order}u{word}"),
                          ("value", f"V{word}")])  # fmt: skip
        table = np.frombuffer(self.bytes(at + head, count * entry.itemsize, "a directory"), entry)
        found: dict[int, tuple[int, int, bytes]] = {}
        for each in table:
            kind, many, value = int(each["type"]), int(each["count"]), bytes(each["value"])
            if many * _SIZES.get(kind, 0) > word:
                start = int(np.frombuffer(value, f"{order}u{word}")[0])
                if start + many * _SIZES[kind] > self.size:
                    raise self.damaged(f"tag {each['tag']} beyond its end")
            found[int(each["tag"])] = (kind, many, value)
        last = self.bytes(at + head + table.nbytes, word, "a directory")
        return found, int(np.frombuffer(last, f"{order}u{word}")[0])


@dataclass(frozen=True)
class _Image:
    """One directory with an image; ``order`` is the byte order of its numbers."""

    file: _File
    entries: Entries
    order: str

    @property
    def has_pixels(self) -> bool:
        return _WIDTH in self.entries and _LENGTH in self.entries

    def numbers(self, tag: int, default: Any = None, most: int | None = None) -> Numbers:  # noqa: ANN401
        """The numbers of a tag; at most the first ``most``."""
        if tag not in self.entries:
            return np.asarray([] if default is None else [default], np.uint64)
        kind, count, value = self.entries[tag]
        if kind not in _NUMBERS:
            raise self.file.damaged(f"tag {tag} of type {kind}")
        dtype = np.dtype(f"{self.order}{_NUMBERS[kind]}")
        count = count if most is None else min(count, most)
        if self.entries[tag][1] * dtype.itemsize <= len(value):
            raw = value[: count * dtype.itemsize]
        else:
            at = int(np.frombuffer(value, f"{self.order}u{len(value)}")[0])
            raw = self.file.bytes(at, count * dtype.itemsize, f"tag {tag}")
        return np.frombuffer(raw, dtype).astype(np.uint64)

    def first(self, tag: int, default: int) -> int:
        found = self.numbers(tag, default, most=1)
        return int(found[0]) if len(found) else default

    def check_bands(self, limits: OpenLimits) -> None:
        found = self.first(_SAMPLES, 1)
        if found > limits.bands:
            raise too_many_bands(found, limits, self.file.name)

    def check_blocks(self, most: int) -> None:
        rows, cols, samples = self.first(_LENGTH, 0), self.first(_WIDTH, 0), self.first(_SAMPLES, 1)
        tiled = _TILES[0] in self.entries
        high = self.first(_TILE_LENGTH, 0) if tiled else min(self.first(_ROWS_PER_STRIP, rows), rows)
        wide = self.first(_TILE_WIDTH, 0) if tiled else cols
        if min(rows, cols, samples, high, wide) < 1:
            raise self.file.damaged("an image of no size")
        apart = self.first(_PLANAR, 1) == 2
        grid = -(-rows // high) * -(-cols // wide)
        expected = grid * (samples if apart else 1)
        if expected > most:
            return
        at, size = (self.numbers(tag, most=expected) for tag in (_TILES if tiled else _STRIPS))
        if min(len(at), len(size)) < expected:
            raise self.file.damaged(f"{expected} blocks, {min(len(at), len(size))} have a place")
        self._check_places(at, size)
        if self.first(_COMPRESSION, 1) == 1 and self.first(_PHOTOMETRIC, 1) != _YCBCR:
            row = -(-wide * self.first(_BITS, 1) * (1 if apart else samples) // 8)
            heights = np.full(grid, high, np.uint64)
            if not tiled:
                heights[-1] = rows - (grid - 1) * high
            self._check_sizes(at, size, np.resize(heights, expected) * np.uint64(row))

    def _check_places(self, at: Numbers, size: Numbers) -> None:
        end = np.uint64(self.file.size)
        # Not at + size: that could run over.
        if bool(((at > end) | (size > end - np.minimum(at, end))).any()):
            raise self.file.damaged("a block beyond its end")

    def _check_sizes(self, at: Numbers, size: Numbers, needed: Numbers) -> None:
        short = (size < needed) & ~((at == 0) & (size == 0))  # nothing at all: the block is empty
        if bool(short.any()):
            first = int(np.flatnonzero(short)[0])
            raise self.file.damaged(f"a block of {size[first]} bytes where {needed[first]} are needed")
