import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rio_cogeo import cog_validate

from components.errors import BadScene
from components.raster.cog import Encoding, retile, write_scene
from components.raster.grid import Window
from components.raster.io import describe, read_scene
from components.raster.scene import Class, Scene
from tests.scenes import JUNE, SENTINEL2, make_class_map, make_grid, make_scene, write_plain

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("crs", ["utm", None])
def test_stored_numbers_come_back_as_they_were(tmp_path, dtype, crs):
    nodata = 0 if dtype.startswith(("u", "i")) else None
    grid = make_grid((40, 50)) if crs else make_grid((40, 50), None)
    scene = make_scene((40, 50), dtype=dtype, nodata=nodata, hole=Window(0, 0, 5, 5), grid=grid)
    write_scene(scene, tmp_path / "scene.tif")
    back = read_scene(tmp_path / "scene.tif", decode=False)
    assert np.array_equal(back.array, scene.array, equal_nan=dtype.startswith("f"))
    assert back.array.dtype == scene.array.dtype
    assert np.array_equal(back.valid, scene.valid)


def test_everything_a_scene_means_comes_back(tmp_path):
    scene = replace(make_scene(bands=SENTINEL2, acquired=JUNE), tags={"sensor": "S2A", "note": "a < b & c"})
    write_scene(scene, tmp_path / "scene.tif")
    back = read_scene(tmp_path / "scene.tif")
    assert (back.grid, back.bands, back.unit) == (scene.grid, scene.bands, scene.unit)
    assert (back.acquired, dict(back.tags), back.classes) == (scene.acquired, dict(scene.tags), ())


@pytest.mark.parametrize("shape", [(30, 40), (512, 512), (700, 1100)])
@pytest.mark.parametrize("kind", ["floats", "codes", "pixel grid"])
def test_every_file_is_a_valid_cog_of_512_tiles_with_overviews(tmp_path, shape, kind):
    scene = make_class_map(shape) if kind == "codes" else make_scene(shape, ("B04", "B08"))
    if kind == "pixel grid":
        scene = replace(scene, grid=make_grid(shape, None))
    write_scene(scene, tmp_path / "scene.tif")
    assert cog_validate(tmp_path / "scene.tif", strict=True) == (True, [], [])
    with rasterio.open(tmp_path / "scene.tif") as dataset:
        assert dataset.block_shapes[0] == (512, 512)
        assert dataset.compression.name == "deflate"
        assert bool(dataset.overviews(1)) is (max(shape) > 512)
        assert (dataset.crs is None) is (kind == "pixel grid")


def test_the_same_scene_gives_the_same_bytes(tmp_path):
    for name in ("first.tif", "second.tif"):
        write_scene(make_scene((600, 300)), tmp_path / name, Encoding("uint16", 1e-4, -0.1, 0))
    assert (tmp_path / "first.tif").read_bytes() == (tmp_path / "second.tif").read_bytes()


def test_scaled_values_come_back_within_half_a_step(tmp_path):
    scene = make_scene(hole=Window(1, 2, 3, 4))
    write_scene(scene, tmp_path / "scene.tif", Encoding("uint16", 1e-4, -0.1, 0))
    back = read_scene(tmp_path / "scene.tif")
    assert np.array_equal(np.isnan(back.array), np.isnan(scene.array))
    assert np.nanmax(np.abs(back.array - scene.array)) <= 0.5e-4 + 1e-6
    assert describe(tmp_path / "scene.tif").dtype == "uint16"


def test_the_stored_numbers_of_a_scaled_file_lose_their_unit(tmp_path):
    write_scene(make_scene(), tmp_path / "scene.tif", Encoding("uint16", 1e-4, -0.1, 0))
    raw = read_scene(tmp_path / "scene.tif", decode=False)
    assert (raw.array.dtype, raw.unit) == (np.uint16, "digital_number")


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        (Encoding("uint8", 1e-3, 0, 255), "do not fit uint8"),
        (Encoding("uint16", 1e-4), "no number for them"),
        (Encoding("uint16", 1.0, 0.0, 0), "means nodata"),
    ],
)
def test_values_that_would_be_lost_are_refused(tmp_path, encoding, reason):
    scene = make_scene(hole=Window(0, 0, 2, 2))
    with pytest.raises(BadScene, match=reason):
        write_scene(scene, tmp_path / "scene.tif", encoding)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["complex64", "float16"])
def test_types_that_a_geotiff_does_not_store_are_refused(tmp_path, dtype):
    scene = Scene(np.zeros((1, 4, 4), dtype), make_grid((4, 4)), ("VV",), "1")
    with pytest.raises(BadScene, match="float64, not"):
        write_scene(scene, tmp_path / "scene.tif")


def test_a_class_map_keeps_codes_names_and_colours(tmp_path):
    scene = make_class_map()
    write_scene(scene, tmp_path / "map.tif")
    back = read_scene(tmp_path / "map.tif")
    assert (back.unit, back.nodata, back.classes) == ("class", 255, scene.classes)
    assert np.array_equal(back.array, scene.array)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.colormap(1)[1] == (*scene.classes[1].colour, 255)


def test_desktop_gis_finds_the_class_names_beside_the_file(tmp_path):
    classes = (Class(0, "none", (0, 0, 0)), Class(2, "road & track", (1, 2, 3)))
    write_scene(make_class_map(patches=(), classes=classes), tmp_path / "map.tif")
    text = (tmp_path / "map.tif.aux.xml").read_text()
    assert [line.strip() for line in text.splitlines() if "<Category>" in line] == [
        "<Category>none</Category>",
        "<Category></Category>",
        "<Category>road &amp; track</Category>",
    ]


def test_overviews_of_a_class_map_hold_no_invented_codes(tmp_path):
    codes = np.where(np.arange(1024)[:, None] % 3 == 0, 4, 0).repeat(1024, axis=1).astype(np.uint8)
    scene = Scene(codes[None], make_grid((1024, 1024)), ("kind",), "class", 255, classes=(Class(4, "x", (1, 1, 1)),))
    write_scene(scene, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read())) <= {0, 4}


def test_four_8_bit_bands_are_not_taken_for_transparency(tmp_path):
    scene = make_scene((40, 40), ("B02", "B03", "B04", "B08"), dtype="uint8", unit="digital_number")
    write_scene(scene, tmp_path / "scene.tif")
    assert describe(tmp_path / "scene.tif").masked is False


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "scene.tif"
    write_scene(make_scene(seed=1), path)
    before = path.read_bytes()
    with pytest.raises(BadScene):
        write_scene(make_scene(seed=2), path, Encoding("uint8", 1e-9))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["scene.tif"]


def test_striped_input_becomes_a_cog_with_the_same_numbers(tmp_path):
    scene = make_scene((600, 300), ("B04", "B08"), dtype="uint16", nodata=0)
    striped = write_plain(tmp_path / "striped.tif", scene.array, scene.grid, nodata=0)
    assert not describe(striped).tiled
    retile(striped, tmp_path / "tiled.tif")
    assert cog_validate(tmp_path / "tiled.tif", strict=True)[0]
    assert np.array_equal(read_scene(tmp_path / "tiled.tif", decode=False).array, scene.array)
    assert describe(tmp_path / "tiled.tif").nodata == 0


def test_retiling_a_truncated_file_names_it_and_leaves_nothing(tmp_path):
    striped = write_plain(tmp_path / "striped.tif", make_scene((600, 300)).array)
    striped.write_bytes(striped.read_bytes()[:50_000])
    with pytest.raises(BadScene, match=r"striped\.tif"):
        retile(striped, tmp_path / "tiled.tif")
    assert not (tmp_path / "tiled.tif").exists()


TAGS = st.dictionaries(
    st.from_regex(r"[A-Za-z][A-Za-z_]{0,10}", fullmatch=True),
    st.from_regex(r"[!-~äöü€]([ -~äöü€]{0,20}[!-~äöü€])?", fullmatch=True),
    max_size=3,
)


@settings(max_examples=15, deadline=None)
@given(TAGS, st.sampled_from(["uint8", "uint16", "float32"]), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_any_tags_and_numbers_come_back(tmp_path_factory, tags, dtype, count, seed):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (count, 9, 7)).astype(dtype)
    scene = Scene(array, make_grid((9, 7)), tuple(f"x{i}" for i in range(count)), "1", tags=tags)
    path = tmp_path_factory.mktemp("any") / "scene.tif"
    write_scene(scene, path)
    back = read_scene(path, decode=False)
    assert np.array_equal(back.array, array)
    assert dict(back.tags) == tags


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from components.raster.cog import write_scene
from tests.scenes import make_scene
path, size = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for missing in (1, 3000, size // 2):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - missing, resource.RLIM_INFINITY))
    try:
        write_scene(make_scene((600, 600)), path)
    except OSError as error:
        print("told:", error)
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    write_scene(make_scene((600, 600)), tmp_path / "scene.tif")
    size = (tmp_path / "scene.tif").stat().st_size
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "new.tif"), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert [line[:5] for line in done.stdout.splitlines()] == ["told:"] * 3, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
