"""Masks as Label Studio's brush stores them: the run-length form of thi.ng/rle-pack over RGBA pixels.

A stream of bits: 32 of the number of values, 5 of the word size less one, four times 4 of a length's size less one;
then runs, each a bit (1: one value repeated, 0: values one by one), 2 bits that choose the size of the length, the
length less one, and the value or values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import BadParams

WORD, SIZES = 8, (3, 4, 8, 16)  # bits of a value; bits of a run's length


def encode_mask(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes of a mask ``(row, col)``: pixels inside are opaque white, others transparent black."""
    values = np.repeat(np.where(mask.ravel(), 255, 0).astype(np.uint8), 4)  # R, G, B and alpha alike
    bits = [_binary(len(values), 32), _binary(WORD - 1, 5), *(_binary(size - 1, 4) for size in SIZES)]
    edges = np.flatnonzero(np.diff(values)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(values)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        for begin in range(start, end, 1 << SIZES[-1]):
            length = min(end - begin, 1 << SIZES[-1])
            which = next(index for index, size in enumerate(SIZES) if length <= 1 << size)
            bits += ["1", _binary(which, 2), _binary(length - 1, SIZES[which]), _binary(int(values[start]), WORD)]
    text = "".join(bits)
    packed = np.frombuffer(text.encode(), np.uint8) - ord("0")
    return [int(byte) for byte in np.packbits(packed)]


def decode_mask(rle: Sequence[int], shape: tuple[int, int], where: object) -> NDArray[np.bool_]:
    """The mask ``(row, col)`` of a brush region: True where its alpha is not 0.

    Raises:
        BadParams: if the bytes end too early, or are not those of a picture of ``shape``.
    """
    wanted = shape[0] * shape[1] * 4
    bits = _Bits(bytes(rle), where)
    found = bits.read(32)
    if found != wanted:
        raise BadParams(where, f"expected a brush of {shape[0]} x {shape[1]} pixels, found {found // 4} pixels")
    word = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(wanted, np.uint8)
    place = 0
    while place < wanted:
        repeated = bits.read(1)
        end = min(place + 1 + bits.read(sizes[bits.read(2)]), wanted)
        if repeated:
            values[place:end] = bits.read(word)
        else:
            values[place:end] = [bits.read(word) for _ in range(end - place)]
        place = end
    mask: NDArray[np.bool_] = values.reshape(*shape, 4)[..., 3] > 0
    return mask


class _Bits:
    """A stream of bits, the highest of a byte first."""

    def __init__(self, data: bytes, where: object) -> None:
        self._bits, self._where, self._at = np.unpackbits(np.frombuffer(data, np.uint8)), where, 0

    def read(self, count: int) -> int:
        bits = self._bits[self._at : self._at + count]
        if len(bits) < count:
            raise BadParams(self._where, "expected a whole brush region, found its bytes cut short; export it again")
        self._at += count
        number = 0
        for bit in bits.tolist():
            number = number << 1 | bit
        return number


def _binary(number: int, bits: int) -> str:
    return f"{number:0{bits}b}"
