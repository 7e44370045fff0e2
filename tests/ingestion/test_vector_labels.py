"""Features of five formats become the same class map on the grid of the image, with their age beside it."""

from __future__ import annotations

from datetime import date

import geopandas
import numpy as np
import pytest
from rasterio.crs import CRS
from shapely.geometry import LineString, Point, Polygon, box

from components.errors import BadParams, BadScene
from components.ingestion.ingest import ingest
from components.ingestion.roles import LabelDeclaration
from components.ingestion.vector_files import Layers
from components.ingestion.vector_labels import draw_label
from components.raster.dataset import read_sources
from components.raster.grid import Grid
from components.raster.io import read_scene
from components.raster.vector_files import read_features
from tests.ingestion.folders import declare, source_folder
from tests.ingestion.osm_extract import write_extract
from tests.scenes import make_grid, make_scene

CLASSES = {
    0: {"name": "other", "colour": [60, 60, 60]},
    1: {"name": "building", "colour": [227, 119, 194]},
    2: {"name": "water", "colour": [60, 110, 200]},
}
GRID = make_grid((40, 40))  # 500000..500400, 4999600..5000000
HOUSE, LAKE = (10, 5, 20, 15), (18, 20, 30, 30)  # rows and columns: top, left, bottom, right


def ground(window, grid=GRID):
    """A window of pixels as a polygon on the ground."""
    top, left, bottom, right = window
    (west, north), (east, south) = (grid.transform @ corner for corner in ((left, top), (right, bottom)))
    return box(west, south, east, north)


def expected(*, background=0):
    codes = np.full((40, 40), background, np.uint8)
    codes[10:20, 5:15] = 1
    codes[18:30, 20:30] = 2
    return codes


def frame(**columns):
    shapes = [ground(HOUSE), ground(LAKE), Polygon()]
    columns = {"kind": ["house", "lake", "lake"], "seen": ["2019-05-01", "2021-06-01", "2001-01-01"], **columns}
    return geopandas.GeoDataFrame(columns, geometry=shapes, crs="EPSG:32631")


def label(**changes):
    vectors = {"column": "kind", "codes": {"house": 1, "lake": 2}, **changes}
    return LabelDeclaration(vectors=vectors, classes=CLASSES)


def drawn(path, image=None, **changes):
    return draw_label(path, label(**changes), [image or make_scene((40, 40), grid=GRID)], Layers())


FORMATS = {
    ".gpkg": lambda table, path: table.to_file(path, driver="GPKG"),
    ".shp": lambda table, path: table.to_file(path, driver="ESRI Shapefile"),
    ".parquet": lambda table, path: table.to_parquet(path),
    ".geojson": lambda table, path: table.to_crs("EPSG:4326").to_file(path, driver="GeoJSON"),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_map(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    FORMATS[suffix](frame(), path)
    found = drawn(path)
    np.testing.assert_array_equal(found.scene.array[0], expected())
    assert [each.name for each in found.scene.classes] == ["other", "building", "water"]
    assert found.scene.grid.same_as(GRID)


def test_an_openstreetmap_extract_is_read_and_placed(tmp_path):
    rings = [
        list(geometry.exterior.coords)[:-1]
        for geometry in geopandas.GeoSeries([ground(HOUSE), ground(LAKE)], crs="EPSG:32631").to_crs("EPSG:4326")
    ]
    path = tmp_path / "town.osm.pbf"
    write_extract(path, [(rings[0], {"building": "yes"}), (rings[1], {"natural": "water"})])
    buildings = drawn(path, layer="multipolygons", column="building", codes={"yes": 1})
    np.testing.assert_array_equal(buildings.scene.array[0], np.where(expected() == 1, 1, 0))
    assert buildings.facts["other classes"] == 1
    water = drawn(path, layer="multipolygons", column="natural", codes={"water": 2})
    np.testing.assert_array_equal(water.scene.array[0], np.where(expected() == 2, 2, 0))


def test_labels_in_another_zone_are_placed_on_the_image(tmp_path):
    path = tmp_path / "labels.gpkg"
    frame().to_crs("EPSG:32632").to_file(path, driver="GPKG")
    assert (drawn(path).scene.array[0] != expected()).mean() < 0.002


def test_later_classes_lie_on_top_and_unlabelled_ground_can_be_unknown(tmp_path):
    path = tmp_path / "labels.parquet"
    shapes = [ground(LAKE), ground((0, 0, 40, 40))]
    geopandas.GeoDataFrame({"kind": ["lake", "house"]}, geometry=shapes, crs="EPSG:32631").to_parquet(path)
    assert (drawn(path).scene.array[0][18:30, 20:30] == 2).all()
    assert (drawn(path, codes={"lake": 2, "house": 1}).scene.array[0] == 1).all()
    frame().to_parquet(path)
    np.testing.assert_array_equal(drawn(path, background=255).scene.array[0], expected(background=255))


def test_the_age_of_the_labels_stands_beside_that_of_the_image(tmp_path):
    path = tmp_path / "labels.gpkg"
    frame().to_file(path, driver="GPKG")  # the image is of 2024-03-01
    assert drawn(path, date_column="seen").facts["age"] == {
        "oldest": "2019-05-01",
        "newest": "2021-06-01",
        "image": "2024-03-01",
        "days since oldest": 1766,
        "days since newest": 1004,
    }
    stated = drawn(path, date=date(2024, 3, 11)).facts["age"]
    assert stated["days since newest"] == -10
    undated = make_scene((40, 40), grid=GRID, acquired=None)
    assert drawn(path, undated).facts["age"] == {"oldest": "unknown", "newest": "unknown", "image": "unknown"}


def test_broken_polygons_are_repaired_and_counted_or_refused_as_declared(tmp_path):
    path = tmp_path / "labels.parquet"
    west, south, east, north = ground(HOUSE).bounds
    bow = Polygon([(west, south), (east, north), (east, south), (west, north)])
    geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[bow], crs="EPSG:32631").to_parquet(path)
    found = drawn(path)
    assert (found.facts["repaired"], found.facts["features"]) == (1, 1)
    assert 40 <= (found.scene.array == 1).sum() <= 60
    with pytest.raises(BadScene, match=r"1 invalid geometries \(rows 0\)"):
        drawn(path, repair=False)


def test_empty_and_foreign_features_are_counted(tmp_path):
    path = tmp_path / "labels.parquet"
    frame(kind=["house", "dragon", "lake"]).to_parquet(path)
    found = drawn(path)
    assert found.facts["other classes"] == 1
    np.testing.assert_array_equal(found.scene.array[0], np.where(expected() == 1, 1, 0))
    starred = drawn(path, codes={"house": 1, "*": 2})
    np.testing.assert_array_equal(starred.scene.array[0], expected())


def test_roads_are_as_wide_as_declared(tmp_path):
    path = tmp_path / "roads.gpkg"
    line = LineString([(500000, 4999800), (500400, 4999800)])
    geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[line], crs="EPSG:32631").to_file(path, driver="GPKG")
    assert (drawn(path, buffer_m=20).scene.array == 1).sum() == 4 * 40
    degrees = make_scene((40, 40), grid=make_grid((40, 40), CRS.from_epsg(4326), 1e-4, (3.0, 45.15)))
    with pytest.raises(BadScene, match="buffer_m on a grid in degrees"):
        drawn(path, degrees, buffer_m=20)


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg"])
def test_labels_beside_the_image_are_refused_and_not_taken_for_empty_ground(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    FORMATS[suffix](frame().set_crs("EPSG:32633", allow_override=True), path)
    with pytest.raises(BadScene, match=r"all features lie within .*, beside EPSG:32631"):
        drawn(path)


def test_labels_across_the_antimeridian_are_found_on_both_sides(tmp_path):
    grid = Grid(CRS.from_epsg(3832), make_grid().transform, (40, 40))  # metres around 150 degrees east
    east = geopandas.GeoSeries([Point(179.999, -17), Point(-179.999, -17)], crs="EPSG:4326").to_crs("EPSG:3832")
    middle = (east[0].x + east[1].x) / 2
    grid = make_grid((40, 40), CRS.from_epsg(3832), 10.0, (middle - 200, east[0].y + 200))
    path = tmp_path / "labels.gpkg"
    dots = [Point(179.9995, -17).buffer(2e-4), Point(-179.9995, -17).buffer(2e-4)]
    geopandas.GeoDataFrame({"kind": ["house", "lake"]}, geometry=dots, crs="EPSG:4326").to_file(path, driver="GPKG")
    found = drawn(path, make_scene((40, 40), grid=grid)).scene.array[0]
    assert (found == 1).any()
    assert (found == 2).any()
    assert found[:, :18].max() == 1
    assert (found[:, 22:] != 1).all()


def test_ground_between_features_is_background(tmp_path):
    path = tmp_path / "labels.gpkg"
    shapes = [box(0, 0, 1, 1), box(900000, 9000000, 900001, 9000001)]
    geopandas.GeoDataFrame({"kind": ["house", "lake"]}, geometry=shapes, crs="EPSG:32631").to_file(path)
    found = drawn(path)
    assert found.facts["features"] == 0
    assert (found.scene.array == 0).all()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.geojson", b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "first bytes are not those of .geojson"),
        ("a.gpkg", b"nothing", "first bytes are not those of .gpkg"),
        ("a.kml", b"<kml/>", "is no vector file that is read here"),
    ],
)
def test_what_only_claims_to_be_a_vector_file_is_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadScene, match=reason):
        drawn(tmp_path / name)


def test_a_missing_column_lists_those_that_there_are(tmp_path):
    path = tmp_path / "labels.parquet"
    frame().to_parquet(path)
    with pytest.raises(BadScene, match="has no column type; it has kind, seen"):
        drawn(path, column="type")


def test_a_shapefile_without_its_crs_needs_one_stated(tmp_path):
    path = tmp_path / "labels.shp"
    frame().to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(BadScene, match=r"has no CRS; state label\.vectors\.crs"):
        drawn(path)
    np.testing.assert_array_equal(drawn(path, crs="EPSG:32631").scene.array[0], expected())


def shape_of_toy(*window):
    return ground(window, make_grid((24, 20)))


def house_in_toy(tmp_path):
    """Images of the toy folder and one GeoPackage for all of them: a house in rows 2..6, columns 3..9."""
    folder = source_folder(tmp_path)
    table = geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[shape_of_toy(2, 3, 6, 9)], crs="EPSG:32631")
    table.to_file(folder / "map.gpkg", driver="GPKG")
    return folder


LAYOUT = {
    "kind": "folders",
    "roles": {"before": "pre", "after": "post"},
    "name": r"(?P<fire>[^_]+)_(?P<date>\d+)\.tif",
    "id": "{fire}_{date}",
    "place": "{fire}",
}
VECTORS = {"file": "map.gpkg", "column": "kind", "codes": {"house": 1}, "date": date(2020, 1, 1), "keep": True}


def test_one_file_labels_all_scenes_of_a_folder_and_a_change_of_it_is_noticed(tmp_path):
    folder = house_in_toy(tmp_path)
    dataset = declare(tmp_path, layout=LAYOUT, label={"vectors": VECTORS, "classes": CLASSES})
    assert ingest(folder, dataset).ingested == ("a_1", "b_2", "c_3")
    source = read_sources(dataset / "raw")[1]
    codes = read_scene(source.files["mask"]).array[0]
    assert (codes[2:6, 3:9] == 1).all()
    assert (codes == 1).sum() == 24
    assert source.properties["swath:mask"]["age"]["newest"] == "2020-01-01"
    assert source.properties["swath:sources"]["mask"]["file"] == "source/map.gpkg"
    kept = read_features(source.vectors["mask-features"])
    assert kept.table["code"].tolist() == [1]
    assert ingest(folder, dataset).skipped == ("a_1", "b_2", "c_3")
    table = geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[shape_of_toy(8, 0, 12, 5)], crs="EPSG:32631")
    table.to_file(folder / "map.gpkg", driver="GPKG")
    assert ingest(folder, dataset).skipped == ()


def test_a_file_that_is_not_there_is_named(tmp_path):
    folder = source_folder(tmp_path)
    dataset = declare(tmp_path, layout=LAYOUT, label={"vectors": VECTORS, "classes": CLASSES})
    with pytest.raises(BadParams, match=r"map\.gpkg: no such file; label\.vectors\.file"):
        ingest(folder, dataset)


def test_one_file_a_scene_labels_that_scene(tmp_path):
    folder = source_folder(tmp_path)
    for index, name in enumerate(("a_1", "b_2", "c_3")):
        shape = ground((index, 0, index + 1, 20), make_grid((24, 20)))
        (folder / "drawn").mkdir(exist_ok=True)
        table = geopandas.GeoDataFrame(geometry=[shape], crs="EPSG:32631").to_crs("EPSG:4326")
        table.to_file(folder / "drawn" / f"{name}.geojson", driver="GeoJSON")
    layout = {**LAYOUT, "roles": {**LAYOUT["roles"], "mask": "drawn"}, "name": r"(?P<fire>[^_]+)_(?P<date>\d+)\.\w+"}
    dataset = declare(tmp_path, layout=layout, label={"vectors": {"codes": {"*": 1}}, "classes": CLASSES})
    assert ingest(folder, dataset).quarantined == ()
    for index, source in enumerate(read_sources(dataset / "raw")):
        codes = read_scene(source.files["mask"]).array[0]
        assert (codes[index] == 1).all()
        assert (codes == 1).sum() == 20
