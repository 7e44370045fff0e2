"""A tiny OpenStreetMap extract (.osm.pbf), written byte by byte: closed ways with tags."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

Way = tuple[Sequence[tuple[float, float]], dict[str, str]]  # longitude, latitude; tags


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def deltas(numbers: Sequence[int]) -> bytes:
    before = [0, *numbers[:-1]]
    return b"".join(zigzag(now - then) for now, then in zip(numbers, before, strict=True))


def blob(kind: str, content: bytes) -> bytes:
    body = field(1, content) + field(2, len(content))
    header = field(1, kind.encode()) + field(3, len(body))
    return struct.pack(">I", len(header)) + header + body


def write_extract(path: Path, ways: Sequence[Way]) -> Path:
    """The ways as an extract; each is closed, its nodes have numbers of their own."""
    texts = [""]
    for _, tags in ways:
        texts += [text for pair in tags.items() for text in pair if text not in texts]
    nodes = [place for ring, _ in ways for place in ring]
    dense = (
        field(1, deltas(list(range(1, len(nodes) + 1))))
        + field(8, deltas([round(lat * 1e7) for _, lat in nodes]))
        + field(9, deltas([round(lon * 1e7) for lon, _ in nodes]))
    )
    written, first = b"", 1
    for number, (ring, tags) in enumerate(ways, 1):
        refs = [*range(first, first + len(ring)), first]
        first += len(ring)
        keys = b"".join(varint(texts.index(key)) for key in tags)
        values = b"".join(varint(texts.index(value)) for value in tags.values())
        written += field(3, field(1, number) + field(2, keys) + field(3, values) + field(8, deltas(refs)))
    table = b"".join(field(1, text.encode()) for text in texts)
    block = field(1, table) + field(2, field(2, dense)) + field(2, written)
    features = field(4, b"OsmSchema-V0.6") + field(4, b"DenseNodes")
    path.write_bytes(blob("OSMHeader", features) + blob("OSMData", block))
    return path
