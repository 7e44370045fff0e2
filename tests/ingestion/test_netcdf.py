"""Cubes of NetCDF-4, of which one day is a scene on the grid of their axes; and bitmaps."""

from datetime import date

import h5py
import numpy as np
import pytest
from PIL import Image
from rasterio.crs import CRS

from components.errors import BadScene
from components.ingestion.bitmaps import read_bitmap
from components.ingestion.netcdf import read_cube
from components.raster.limits import OpenLimits

DAY = date(2023, 4, 5)
LIMITS = OpenLimits()


def write_cube(path, x=(643265.0, 643275.0, 643285.0), days=(12145, 12147), units=b"days since 1990-01-01"):
    """Two variables over (t, y, x) of 10 m pixels, as the Geotrellis back end of openEO writes them."""
    shape = (len(days), 2, len(x))
    with h5py.File(path, "w") as file:
        file["t"], file["y"], file["x"] = np.array(days, np.int32), np.array([5676475.0, 5676465.0]), np.array(x)
        file["t"].attrs["units"] = units
        file["crs"] = b""
        file["crs"].attrs["crs_wkt"] = CRS.from_epsg(32631).to_wkt().encode()
        for step, name in enumerate(("VV", "VH")):
            numbers = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) + 65000 + 100 * step
            file[name] = numbers.view(np.int16)
            file[name].attrs["_Unsigned"], file[name].attrs["grid_mapping"] = b"true", b"crs"
    return path


def test_a_day_of_a_cube_is_a_scene_on_the_grid_of_its_axes(tmp_path):
    scene = read_cube(write_cube(tmp_path / "s1.nc"), ["VH", "VV"], DAY, LIMITS)
    assert scene.bands == ("VH", "VV")
    assert scene.array[0].tolist() == [[65106, 65107, 65108], [65109, 65110, 65111]]
    assert scene.array[1].tolist() == [[65006, 65007, 65008], [65009, 65010, 65011]]
    assert scene.grid.crs == CRS.from_epsg(32631)
    assert tuple(scene.grid.transform)[:6] == (10, 0, 643260, 0, -10, 5676480)


def test_a_cube_of_one_day_needs_no_date(tmp_path):
    path = write_cube(tmp_path / "s1.nc", days=(12147,))
    assert np.array_equal(read_cube(path, ["VV"], None, LIMITS).array, read_cube(path, ["VV"], DAY, LIMITS).array)


@pytest.mark.parametrize(
    ("written", "names", "day", "reason"),
    [
        ({}, ["VV"], date(2023, 4, 6), "0 images of 2023-04-06"),
        ({}, ["VV"], None, "2 dates"),
        ({}, ["HH"], DAY, "no cube HH among VH, VV"),
        ({"x": (0.0, 10.0, 25.0)}, ["VV"], DAY, "not evenly spaced"),
        ({"units": b"hours since 1990-01-01"}, ["VV"], DAY, "counts time in"),
    ],
)
def test_what_is_no_such_cube_is_refused_with_the_reason(tmp_path, written, names, day, reason):
    with pytest.raises(BadScene, match=reason):
        read_cube(write_cube(tmp_path / "s1.nc", **written), names, day, LIMITS)


def test_other_files_and_large_cubes_are_refused(tmp_path):
    (tmp_path / "classic.nc").write_bytes(b"CDF\2" + bytes(100))
    with pytest.raises(BadScene, match="no cube of NetCDF-4"):
        read_cube(tmp_path / "classic.nc", ["VV"], DAY, LIMITS)
    with pytest.raises(BadScene, match="at most 10"):
        read_cube(write_cube(tmp_path / "s1.nc"), ["VV"], DAY, OpenLimits(decoded_bytes=10))


def test_a_bitmap_is_read_by_its_colours_and_refused_where_it_is_none(tmp_path):
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    Image.fromarray(pixels).save(tmp_path / "picture.bmp")
    scene = read_bitmap(tmp_path / "picture.bmp", LIMITS)
    assert (scene.bands, scene.grid.crs) == (("B04", "B03", "B02"), None)
    assert np.array_equal(scene.array, pixels.transpose(2, 0, 1))
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.bmp")
    assert read_bitmap(tmp_path / "grey.bmp", LIMITS).bands == ("band1",)
    (tmp_path / "other.bmp").write_bytes(b"GIF89a" + bytes(60))
    for path, limits in (("other.bmp", LIMITS), ("picture.bmp", OpenLimits(decoded_bytes=10))):
        with pytest.raises(BadScene):
            read_bitmap(tmp_path / path, limits)
