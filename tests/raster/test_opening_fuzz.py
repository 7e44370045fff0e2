"""Mutated GeoTIFFs through real decoder processes: a scene or a refusal, in bounded time and memory, always."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import psutil
import pytest

from components.errors import BadScene
from components.raster.decoding import DecoderPool
from components.raster.limits import OpenLimits
from components.raster.scene import Scene
from tests.raster import hostile
from tests.scenes import WGS84

MB = 1024**2
LIMITS = OpenLimits()
EXTREME = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Small GeoTIFFs of all codecs and layouts, some with tags, masks, other byte order, overviews' worth of IFDs."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 50, (3, 24, 20)).astype(np.uint8)
    made = [
        hostile.whole(array, compress=codec, interleave=interleave)
        for codec in ("none", "deflate", "lzw", "zstd", "lzma", "packbits")
        for interleave in ("pixel", "band")
    ]
    made += [
        hostile.whole(array, compress="jpeg", photometric="YCBCR", interleave="pixel"),
        hostile.whole(array, tiled=True, blockxsize=16, blockysize=16, compress="deflate", predictor=2),
        hostile.whole(rng.random((2, 24, 20), np.float32), compress="deflate", predictor=3, nodata=np.nan),
        hostile.whole(array.astype(np.int32), BIGTIFF="YES", ENDIANNESS="BIG"),
        hostile.whole(array, crs=WGS84, nodata=7),
        hostile.tagged("a note"),
        hostile.several_pictures(),
        hostile.tiff(),
    ]
    return made


def mutated(rng: np.random.Generator, made: list[bytes]) -> bytes:
    """One to eight changes of a seed, most of them where its directory is."""
    content = bytearray(made[rng.integers(len(made))])
    start = int.from_bytes(content[4:8], "little")
    directory = (min(start, len(content)), min(start + 400, len(content)))
    for _ in range(rng.integers(1, 9)):
        low, high = directory if rng.random() < 0.7 and directory[1] > directory[0] else (4, max(len(content), 5))
        at, kind = min(int(rng.integers(low, high)), len(content) - 1), rng.random()
        if kind < 0.4:
            content[at] = int(rng.integers(256))
        elif kind < 0.8:
            size = int(rng.choice([2, 4]))
            content[at : at + size] = (EXTREME[rng.integers(len(EXTREME))] & (256**size - 1)).to_bytes(size, "little")
        elif kind < 0.9:
            del content[at : at + int(rng.integers(1, 50))]
        else:
            content[at:at] = bytes(content[at : at + int(rng.integers(1, 50))])
    return bytes(content)


def outcome(pool: DecoderPool, content: bytes) -> tuple[str, float]:
    """What came of a file, and the seconds it took."""
    start = time.monotonic()
    try:
        scene = pool.open(content, name="fuzz")
    except BadScene as error:
        kind = "died" if "its decoder ended" in error.reason else "refused"
    else:
        assert isinstance(scene, Scene)
        assert scene.array.nbytes <= LIMITS.decoded_bytes
        kind = "opened"
    return kind, time.monotonic() - start


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_files_are_scenes_or_refusals_in_bounded_time_and_memory(count):
    rng, made = np.random.default_rng(count), seeds()
    files = [mutated(rng, made) for _ in range(count)]
    with DecoderPool(LIMITS) as pool, ThreadPoolExecutor(2) as threads:
        assert all(outcome(pool, content)[0] in ("opened", "refused") for content in made)
        own = psutil.Process()
        before, highest = own.memory_info().rss, 0
        found = []
        for each in threads.map(outcome, repeat(pool), files):
            found.append(each)
            highest = max(highest, own.memory_info().rss)
        kinds = Counter(kind for kind, _ in found)
    assert max(seconds for _, seconds in found) < 2
    assert highest - before < 200 * MB
    # A child that dies is no fault; but none of these does, and starting the next one takes a second.
    assert kinds["died"] <= count / 1000
    assert kinds["opened"] > count / 100, "the mutations are too wild to reach any code"
    assert kinds["refused"] > count / 100
