"""Bands of one file each become one scene, and what does not fit together is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from components.errors import BadScene, GridMismatch
from components.ingestion.assembling import Assembly, assemble
from components.ingestion.candidates import BandFile, Candidate, Unseen
from components.ingestion.roles import ImageDeclaration
from components.raster.decoding import DecoderPool
from tests.scenes import make_grid, write_plain

IMAGE = ImageDeclaration(bands=("B02", "B11"), unit="reflectance", storage={"dtype": "float32"})


@pytest.fixture(scope="module")
def decoders():
    with DecoderPool(workers=1) as pool:
        yield pool


def band(tmp_path, name, pixel=10.0, side=24, value=3000, **known):
    numbers = np.random.default_rng(len(name)).integers(value, value + 500, (1, side, side)).astype(np.uint16)
    path = write_plain(tmp_path / f"{name}.tif", numbers, make_grid((side, side), pixel=pixel))
    return BandFile(path, **{"scale": 1e-4, "offset": -0.1, **known})


def assembled(decoders, blue, swir, unseen=None, **how):
    candidate = Candidate("one", "here", {}, bands={"image": {"B02": blue, "B11": swir}}, unseen=unseen)
    return assemble(candidate, "image", IMAGE, Assembly(**how), decoders)


def test_a_finer_band_is_averaged_and_a_coarser_one_interpolated(decoders, tmp_path):
    blue, swir = band(tmp_path, "blue"), band(tmp_path, "swir", 20.0, 12)
    _, facts = assembled(decoders, blue, swir)
    assert facts["swath:resampled"] == {"B11": "bilinear from 20 m to 10 m"}
    scene, facts = assembled(decoders, blue, swir, grid_of="B11")
    assert facts["swath:resampled"] == {"B02": "average from 10 m to 20 m"}
    assert scene.grid.shape == (12, 12)


def test_a_file_on_another_grid_than_its_item_promised_is_refused(decoders, tmp_path):
    blue = band(tmp_path, "blue", grid=make_grid((24, 24), corner=(0.0, 0.0)))
    with pytest.raises(GridMismatch, match=r"blue\.tif .* against its item"):
        assembled(decoders, blue, band(tmp_path, "swir"))


def test_an_offset_that_the_pixels_have_already_is_noticed(decoders, tmp_path):
    dark = band(tmp_path, "blue", value=300)
    with pytest.raises(BadScene, match="100% of B02 are below 0 once scale and offset are applied"):
        assembled(decoders, dark, band(tmp_path, "swir"))


def test_a_scale_in_the_file_that_contradicts_the_item_is_refused(decoders, tmp_path):
    blue = band(tmp_path, "blue")
    with rasterio.open(blue.path, "r+") as file:
        file.scales, file.offsets = (1e-4,), (0.0,)
    with pytest.raises(BadScene, match=r"carries scale and offset 0\.0001 and 0, .* say 0\.0001 and -0\.1"):
        assembled(decoders, blue, band(tmp_path, "swir"))
    assembled(decoders, BandFile(blue.path, 1e-4, 0.0), band(tmp_path, "swir"))


def test_the_mask_counts_on_the_grid_of_the_image(decoders, tmp_path):
    codes = np.full((1, 12, 12), 4, np.uint8)
    codes[0, :6] = 9
    path = write_plain(tmp_path / "scl.tif", codes, make_grid((12, 12), pixel=20.0))
    unseen = Unseen(BandFile(path), (9,))
    scene, facts = assembled(decoders, band(tmp_path, "blue"), band(tmp_path, "swir"), unseen)
    assert not scene.valid[:12].any()
    assert scene.valid[12:].all()
    assert facts["swath:unseen"] == {"codes": [9], "fraction": 0.5}


def test_ground_beside_the_scene_is_refused(decoders, tmp_path):
    with pytest.raises(BadScene, match="lies beside the wanted ground"):
        assembled(decoders, band(tmp_path, "blue"), band(tmp_path, "swir"), bounds_wgs84=(10.0, 10.0, 10.1, 10.1))


def test_several_bands_in_one_file_are_refused(decoders, tmp_path):
    path = write_plain(tmp_path / "two.tif", np.ones((2, 24, 24), np.uint16), make_grid((24, 24)))
    with pytest.raises(BadScene, match="holds 2 bands, one was expected"):
        assembled(decoders, BandFile(path), band(tmp_path, "swir"))
