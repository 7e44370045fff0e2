from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Point, Polygon

from components.errors import LineageBroken, NotEnoughData, UnknownName
from components.raster.grid import Grid, Window
from components.raster.scene import Class, Features, Scene, Stack
from components.tasks import chips
from components.tasks.chips import Chip, Prepared, pack
from components.tasks.params import Fold

GRID = Grid(CRS.from_epsg(32631), Affine(10, 0, 700_000, 0, -10, 5_000_000), (20, 30))
DAYS = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 13, tzinfo=UTC))


def chip(name="one", place="p", seed=0):
    rng = np.random.default_rng(seed)
    image = Scene(rng.random((2, 20, 30)), GRID, ("B02", "B03"), "reflectance", float("nan"), DAYS[0])
    series = Stack(rng.random((2, 1, 20, 30), "float32"), GRID, ("VV",), "db", DAYS, -9999.0, "ascending 59")
    codes = rng.integers(0, 3, (1, 20, 30)).astype("uint8")
    classes = (Class(1, "water", (0, 0, 255)), Class(2, "wood", (0, 99, 0)))
    boxes = Features(
        (Point(1, 2), Polygon([(0, 0), (1, 0), (1, 1)])), GRID.crs, {"height_m": np.array([2.5, 3]), "n": np.arange(2)}
    )
    targets = {"classes": Scene(codes, GRID, ("classes",), "class", 0, classes=classes), "boxes": boxes}
    return Chip(name, place, "source", Window(40, 0, 20, 30), {"image": image, "series": series}, targets)


def same(left, right):
    if isinstance(left, Features):
        tables = all(np.array_equal(left.table[name], right.table[name]) for name in left.table)
        return left.geometries == right.geometries and left.crs == right.crs and tables
    named = [name for name in vars(left) if name not in {"array", "nodata"}]
    nodata = np.array_equal(np.float64(left.nodata), np.float64(right.nodata), equal_nan=True)
    return (
        np.array_equal(left.array, right.array)
        and nodata
        and all(getattr(left, name) == getattr(right, name) for name in named)
    )


def test_a_chip_is_read_as_it_was_packed(tmp_path):
    found = pack(iter([chip()]), tmp_path).chip("one")
    assert (found.place, found.source, found.window) == ("p", "source", Window(40, 0, 20, 30))
    for kind in ("inputs", "targets"):
        before, after = getattr(chip(), kind), getattr(found, kind)
        assert set(before) == set(after)
        assert all(same(before[name], after[name]) for name in before)


def test_a_window_of_a_chip_is_the_crop_of_the_chip(tmp_path):
    window = Window(3, 5, 7, 11)
    found = pack(iter([chip()]), tmp_path).chip("one", window)
    for name, whole in chip().inputs.items():
        assert same(whole.crop(window), found.inputs[name])


def test_the_same_chips_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        pack(iter([chip(), chip("two", seed=1)]), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["index.parquet", "shard-000.safetensors"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_the_digest_follows_every_pixel(tmp_path):
    one, two, again = (pack(iter([chip(seed=s)]), tmp_path / str(n)).digest for n, s in enumerate((0, 1, 0)))
    assert one == again != two


def test_shards_are_closed_when_they_are_full(tmp_path, monkeypatch):
    monkeypatch.setattr(chips, "SHARD_BYTES", 35_000)
    prepared = pack(iter([chip(f"c{n}", seed=n) for n in range(5)]), tmp_path)
    assert len(set(prepared.index["shard"])) == 3
    assert all(same(chip(seed=n).inputs["image"], prepared.chip(f"c{n}").inputs["image"]) for n in range(5))


def test_two_chips_of_one_name_are_refused(tmp_path):
    with pytest.raises(LineageBroken, match="two chips are called one"):
        pack(iter([chip(), chip()]), tmp_path)


def test_nothing_to_pack_is_an_error(tmp_path):
    with pytest.raises(NotEnoughData, match="nothing was prepared"):
        pack(iter([]), tmp_path)


def test_a_folder_without_chips_names_the_remedy(tmp_path):
    with pytest.raises(NotEnoughData, match="run the prepare stage"):
        Prepared(tmp_path)


def test_folds_divide_chips_by_place(tmp_path):
    prepared = pack(iter([chip(n, n[0]) for n in ("a1", "a2", "b1", "c1")]), tmp_path)
    fold = prepared.of(Fold("f", frozenset("a"), frozenset("b"), frozenset("x")))
    assert fold.ids("train") == ("a1", "a2")
    assert prepared.ids("train") == fold.ids() == ("a1", "a2", "b1", "c1")
    with pytest.raises(NotEnoughData, match="no chip of split test in fold f"):
        fold.ids("test")


def test_an_unknown_chip_is_named(tmp_path):
    with pytest.raises(UnknownName, match="'two'; known: one"):
        pack(iter([chip()]), tmp_path).chip("two")


def test_the_index_says_where_a_chip_lies(tmp_path):
    west, south, east, north = pack(iter([chip()]), tmp_path).index.total_bounds
    assert (west, east) == pytest.approx((5.54, 5.545), abs=0.01)
    assert (south, north) == pytest.approx((45.12, 45.125), abs=0.01)


def test_the_footprint_is_the_outline_and_not_the_box_around_it():
    outline = chip().footprint
    assert outline.area < 0.95 * outline.envelope.area
