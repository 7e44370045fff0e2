import numpy as np
import pandas as pd
import pytest
from rasterio.crs import CRS
from shapely import Polygon, box
from shapely.geometry import LineString

from components.annotation.check import check
from components.annotation.rules import Expectations
from components.annotation.vectors import summarise_vectors
from components.errors import NotEnoughData
from components.raster.dataset import finish, read_sources, write_source
from components.raster.scene import Features
from components.raster.vector_files import read_features
from tests.scenes import UTM31, make_grid, make_scene

SHAPE = (64, 64)  # 640 m from (500000, 5000000) to the east and south
WEST, NORTH = 500000.0, 5000000.0
FAULTS = ("empty", "not_finite", "invalid", "outside", "duplicate", "sliver", "three_d", "many_vertices")


def square(right, down, side=80.0):
    return box(WEST + right, NORTH - down - side, WEST + right + side, NORTH - down)


def circle(points):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return Polygon(np.column_stack([WEST + 300 + 50 * np.cos(angle), NORTH - 300 + 50 * np.sin(angle)]))


SOUND = {
    "field": square(0, 0),
    "house": square(100, 0, 20),
    "road": LineString([(WEST, NORTH - 200), (WEST + 99, NORTH)]),
}
BOW_TIE = Polygon([(WEST, NORTH - 400), (WEST + 80, NORTH - 480), (WEST + 80, NORTH - 400), (WEST, NORTH - 480)])
FAULTY = {
    "empty": Polygon(),
    "not_finite": Polygon([(WEST, NORTH), (WEST + 80, np.nan), (WEST + 80, NORTH - 80)]),
    "invalid": BOW_TIE,
    "outside": square(5000, 0),
    "duplicate": square(0, 0).reverse(),
    "sliver": box(WEST, NORTH - 300, WEST + 400, NORTH - 298),
    "three_d": Polygon([(WEST + 200, NORTH, 7.0), (WEST + 280, NORTH, 7.0), (WEST + 280, NORTH - 80, 7.0)]),
    "many_vertices": circle(1_000_000),
}


def write(folder, features, crs=UTM31, policy="reject", age_days=365):
    table = {"id": np.array(list(features)), "class": np.ones(len(features), np.int64)}
    scene = make_scene(SHAPE, grid=make_grid(SHAPE, corner=(WEST, NORTH)))
    drawn = Features(tuple(features.values()), crs, table)
    age = {"swath:objects": {"age": {"days since newest": age_days}}}
    write_source(folder / "raw", "one", "one", {"image": scene}, features={"objects": drawn}, properties=age)
    finish(folder / "raw", folder.name)
    text = f"suite: vectors\ntable: {{kind: vectors, label: objects, geometry: {policy}}}\n"
    (folder / "expectations.yaml").write_text(text)
    return folder


def table(folder, features, crs=UTM31, policy="reject"):
    params = Expectations(suite="vectors", table={"kind": "vectors", "label": "objects", "geometry": policy}).table
    return summarise_vectors(read_sources(write(folder, features, crs, policy) / "raw"), params).set_index("id")


@pytest.fixture(scope="module")
def rejected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    return check(write(folder, SOUND | FAULTY, age_days=4000), folder / "out")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_listed_by_feature_id_and_nothing_else(rejected, fault):
    rule = next(each for each in rejected.results if each.name == f"no-{fault.replace('_', '-')}")
    assert rule.failing == (f"one#{fault}",)
    assert not rule.passed


def test_features_much_older_than_their_image_are_listed(rejected):
    rule = next(each for each in rejected.results if each.name == "label-is-as-old-as-image")
    assert rule.failing == ("one",)


def test_sound_features_break_no_rule(tmp_path):
    found = table(tmp_path, SOUND)
    assert found["found"].isna().all()
    assert not found.filter(like="has_").any(axis=None)


def test_mending_leaves_no_fault_and_records_what_was_done(tmp_path):
    found = table(tmp_path, SOUND | FAULTY, policy="fix")
    assert not found.filter(like="has_").loc[found["level"] == "feature"].any(axis=None)
    assert found.loc["one", ["features", "features_left"]].tolist() == [11, 6]
    done = found["mended"]
    assert done["one#invalid"] == "made valid"
    assert done["one#three_d"] == "made two-dimensional"
    assert done["one#many_vertices"] == "simplified by 0.1 px"
    assert [done[f"one#{name}"] for name in ("empty", "not_finite", "outside", "duplicate", "sliver")] == [
        "dropped: empty",
        "dropped: not_finite",
        "dropped: outside",
        "dropped: duplicate",
        "dropped: sliver",
    ]
    assert pd.isna(done["one#field"])


def test_what_mending_leaves_is_written_and_breaks_no_rule_when_it_is_ingested(tmp_path):
    report = check(write(tmp_path / "drawn", SOUND | FAULTY, policy="fix"), tmp_path / "out")
    assert report.mended == ("one",)
    assert "`mended/<source>.parquet` of one" in report.summary.read_text()
    left = read_features(tmp_path / "out" / "mended" / "one.parquet")
    kept = dict(zip(left.table["id"].tolist(), left.geometries, strict=True))
    assert len(kept) == 6
    assert kept["field"].equals(SOUND["field"])
    assert not table(tmp_path / "again", kept).filter(like="has_").loc[lambda rows: rows.index != "one"].any(axis=None)
    clean = check(write(tmp_path / "clean", SOUND, policy="fix"), tmp_path / "out")
    assert clean.mended == ()
    assert not (tmp_path / "out" / "mended").exists()


def test_another_crs_is_found_and_mended(tmp_path):
    degrees = {"field": box(3.0, 45.1500, 3.001, 45.1508)}
    assert table(tmp_path / "a", degrees, CRS.from_epsg(4326)).loc["one#field", "found"] == "foreign_crs"
    mended = table(tmp_path / "b", degrees, CRS.from_epsg(4326), policy="fix").loc["one#field"]
    assert mended["mended"] == "moved from EPSG:4326 to EPSG:32631"
    assert not mended["has_foreign_crs"]


def test_metres_that_are_called_degrees_lie_outside_after_moving(tmp_path):
    far = {"field": box(10.0, 50.0, 10.001, 50.001)}
    assert table(tmp_path, far, CRS.from_epsg(4326), policy="fix").loc["one", "features_left"] == 0


def test_features_without_names_are_named_by_their_row(tmp_path):
    scene = make_scene(SHAPE, grid=make_grid(SHAPE, corner=(WEST, NORTH)))
    write_source(tmp_path, "one", "one", {"image": scene}, features={"mask": Features((square(0, 0),), UTM31)})
    params = Expectations(suite="vectors", table={"kind": "vectors"}).table
    assert summarise_vectors(read_sources(tmp_path), params)["id"].tolist() == ["one", "one#0"]


def test_a_source_without_features_is_named(tmp_path):
    write_source(tmp_path, "one", "one", {"image": make_scene(SHAPE)})
    with pytest.raises(NotEnoughData, match="one has image, not image image and features mask"):
        summarise_vectors(read_sources(tmp_path), Expectations(suite="vectors", table={"kind": "vectors"}).table)
