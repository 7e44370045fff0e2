"""Decoder processes that the tests of this folder share."""

import pytest

from components.raster.decoding import DecoderPool
from tests.raster import hostile


@pytest.fixture(scope="session")
def decoders():
    with DecoderPool() as pool:
        pool.open(hostile.tiff(), name="the first")  # they have started
        yield pool
