import struct
import time

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from components.errors import BadScene
from components.raster.cog import Encoding, write_scene
from components.raster.opening import OpenLimits, open_untrusted
from tests.scenes import BURN_BANDS, MARCH, UTM31, WGS84, make_class_map, make_scene, write_plain

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NORTH_UP = Affine(10, 0, 500000, 0, -10, 5000000)


@pytest.fixture
def tiff(tmp_path):
    """Bytes of a GeoTIFF that nothing was written into: sparse where the options allow it."""

    def make(rows=32, cols=32, count=1, dtype="uint8", **options):
        options = {"crs": UTM31, "transform": NORTH_UP, **options}
        shape = {"height": rows, "width": cols, "count": count, "dtype": dtype}
        with rasterio.open(tmp_path / "made.tif", "w", driver="GTiff", **shape, **options):
            pass
        return (tmp_path / "made.tif").read_bytes()

    return make


def test_our_own_files_open_as_they_were_written(tmp_path):
    scene = make_scene()
    write_scene(scene, tmp_path / "scene.tif", Encoding("uint16", 1e-4, -0.1, 0))
    for source in (tmp_path / "scene.tif", (tmp_path / "scene.tif").read_bytes()):
        opened = open_untrusted(source)
        assert (opened.bands, opened.unit, opened.acquired, opened.grid) == (
            BURN_BANDS,
            "reflectance",
            MARCH,
            scene.grid,
        )
        assert np.allclose(opened.array, scene.array, atol=1e-4)


def test_a_class_map_stays_in_codes(tmp_path):
    write_scene(make_class_map(), tmp_path / "map.tif")
    assert open_untrusted(tmp_path / "map.tif").array.dtype == np.uint8


def test_a_picture_without_crs_is_accepted(tiff):
    assert open_untrusted(tiff(crs=None, transform=None)).grid.crs is None


def test_infinite_pixels_become_nan(tmp_path):
    array = np.array([[[1.0, np.inf], [-np.inf, np.nan]]], np.float32)
    opened = open_untrusted(write_plain(tmp_path / "inf.tif", array))
    assert np.isnan(opened.array).tolist() == [[[False, True], [True, True]]]


SECRET = "<VRTDataset rasterXSize='8' rasterYSize='8'><VRTRasterBand dataType='Byte' subClass='VRTRawRasterBand'>"
SECRET += "<SourceFilename>/etc/passwd</SourceFilename></VRTRasterBand></VRTDataset>"


@pytest.mark.parametrize(
    "content", [SECRET.encode(), b"\n" + SECRET.encode(), b"PK\x03\x04", b"GIF89a", b"\x89PNG\r\n"]
)
def test_anything_but_a_tiff_is_refused_by_its_first_bytes(content):
    with pytest.raises(BadScene, match="not those of a TIFF"):
        open_untrusted(content, name="img.tif")


def test_a_vrt_behind_the_first_bytes_of_a_tiff_is_refused():
    with pytest.raises(BadScene, match="truncated or damaged"):
        open_untrusted(b"II*\0" + SECRET.encode())


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link.tif").symlink_to("/etc/passwd")
    with pytest.raises(BadScene, match="not a regular file"):
        open_untrusted(tmp_path / "link.tif")


def test_files_beside_the_upload_are_not_looked_at(tmp_path):
    path = write_plain(tmp_path / "scene.tif", np.ones((1, 8, 8), np.uint8))
    (tmp_path / "scene.tif.aux.xml").write_text(
        "<PAMDataset><Metadata><MDI key='CLASSES'>x</MDI></Metadata></PAMDataset>"
    )
    (tmp_path / "scene.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    opened = open_untrusted(path)
    assert (dict(opened.tags), opened.grid.transform.a) == ({}, 10)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rows": 100_000, "cols": 100_000, "SPARSE_OK": True, "tiled": True}, "pixels along an edge"),
        ({"rows": 1, "cols": 10**7, "SPARSE_OK": True}, "pixels along an edge"),
        ({"rows": 20_000, "cols": 20_000, "SPARSE_OK": True, "tiled": True}, "pixels, at most"),
        ({"rows": 2, "cols": 2, "count": 5000}, "5000 bands"),
        ({"rows": 8000, "cols": 8000, "count": 8, "SPARSE_OK": True, "tiled": True}, "bytes once decoded"),
        ({"dtype": "float32", "tiled": True, "blockxsize": 16384, "blockysize": 16384, "SPARSE_OK": True}, "one block"),
        ({"rows": 8000, "cols": 8000, "tiled": True, "blockxsize": 16, "blockysize": 16, "SPARSE_OK": True}, "blocks"),
        ({"rows": 7000, "cols": 7000, "SPARSE_OK": True, "tiled": True}, "bomb"),
        ({"dtype": "complex64"}, "complex64"),
        ({"transform": Affine(10, 0, 0, 0, 10, 0)}, "not north-up"),
        ({"transform": Affine(-10, 0, 0, 0, -10, 0)}, "not north-up"),
        ({"transform": Affine(10, 1, 0, 1, -10, 0)}, "rotated"),
        ({"crs": WGS84, "transform": Affine(0.1, 0, 179, 0, -0.1, 0)}, "antimeridian"),
        ({"crs": WGS84, "transform": Affine(0.1, 0, 0, 0, -0.1, 92)}, "pole"),
    ],
)
def test_headers_that_ask_too_much_are_refused_quickly(tiff, options, reason):
    content = tiff(**options)
    start = time.perf_counter()
    with pytest.raises(BadScene, match=reason):
        open_untrusted(content)
    assert time.perf_counter() - start < 2


def test_a_polar_projection_is_accepted(tiff):
    assert open_untrusted(tiff(crs=CRS.from_epsg(3413))).grid.crs == CRS.from_epsg(3413)


def test_an_empty_but_small_file_is_no_bomb(tiff):
    assert open_untrusted(tiff(1000, 1000, compress="deflate")).grid.shape == (1000, 1000)


def test_control_points_without_a_grid_are_refused(tiff):
    points = [GroundControlPoint(row, col, col, -row) for row, col in ((0, 0), (0, 9), (9, 0))]
    with pytest.raises(BadScene, match="ground control points"):
        open_untrusted(tiff(transform=None, gcps=points))


def test_limits_can_be_set(tiff):
    with pytest.raises(BadScene, match="at most 100 are accepted"):
        open_untrusted(tiff(), OpenLimits(file_bytes=100))


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 1000, 20_000])
def test_a_truncated_file_is_refused_in_one_sentence(tmp_path, kept):
    path = write_plain(tmp_path / "scene.tif", make_scene((128, 128)).array, compress="deflate", tiled=True)
    with pytest.raises(BadScene) as caught:
        open_untrusted(path.read_bytes()[:kept], name="before")
    assert str(caught.value).startswith("before: ")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_directory_that_points_at_itself_is_refused():
    one_tag = struct.pack("<HHHII", 1, 256, 4, 1, 16) + struct.pack("<I", 8)
    with pytest.raises(BadScene):
        open_untrusted(b"II*\0" + struct.pack("<I", 8) + one_tag)


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_number_is_refused(tmp_path, scale):
    path = write_plain(tmp_path / "scaled.tif", np.ones((1, 8, 8), np.uint16))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (scale,)
    with pytest.raises(BadScene, match="scale or offset"):
        open_untrusted(path)


def test_any_flipped_byte_is_a_scene_or_a_refusal(tmp_path):
    content = write_plain(tmp_path / "s.tif", make_scene((16, 16), ("B04",)).array, compress="deflate").read_bytes()
    rng = np.random.default_rng(0)
    for at, value in zip(rng.integers(4, len(content), 150), rng.integers(0, 256, 150), strict=True):
        opened = _opened_or_none(content[:at] + bytes([value]) + content[at + 1 :])
        assert opened is None or opened.array.nbytes <= OpenLimits().decoded_bytes


def _opened_or_none(content):
    try:
        return open_untrusted(content)
    except BadScene:
        return None
