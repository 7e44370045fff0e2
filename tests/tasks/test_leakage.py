import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import box

from components.errors import BadParams, LeakageFound
from components.raster.grid import Grid, Window
from components.raster.scene import Scene
from components.tasks.chips import Chip
from components.tasks.leakage import require_no_leakage, require_places
from components.tasks.params import CrossValidation, Fold

SPLIT = (Fold("fixed", frozenset({"a"}), frozenset({"b"}), frozenset({"c"})),)


def index(*rows):
    """Rows of (place, geometry or pixel window)."""
    frame = [
        {
            "chip": f"{place}{number}",
            "place": place,
            "source": "one",
            "window": f"[{shape[0]}, {shape[1]}, 10, 10]" if isinstance(shape, tuple) else "[0, 0, 1, 1]",
            "geometry": None if isinstance(shape, tuple) else shape,
        }
        for number, (place, shape) in enumerate(rows)
    ]
    return gpd.GeoDataFrame(frame, geometry="geometry", crs="EPSG:4326")


def utm(place, east_m, north_m=5_000_000, size=96, epsg=32631):
    """The footprint of a chip of 10 m pixels whose upper left corner lies there."""
    grid = Grid(CRS.from_epsg(epsg), Affine(10, 0, east_m, 0, -10, north_m), (size, size))
    array = np.zeros((1, size, size), "float32")
    return place, Chip("x", place, "x", Window(0, 0, size, size), {"x": Scene(array, grid, ("v",), "1")}).footprint


def test_neighbours_that_share_an_edge_do_not_overlap():
    require_no_leakage(index(utm("a", 700_000), utm("c", 700_960)), SPLIT, 0.0)


def test_one_shared_column_of_pixels_is_an_overlap():
    with pytest.raises(LeakageFound, match=r"a0 \(place a\) and c1 \(place c\) overlap"):
        require_no_leakage(index(utm("a", 700_000), utm("c", 700_950)), SPLIT, 0.0)


def test_overlap_within_one_split_is_no_leakage():
    require_no_leakage(index(utm("a", 700_000), utm("a", 700_500)), SPLIT, 100.0)


@pytest.mark.parametrize(("gap_m", "fails"), [(499, True), (501, False)])
def test_the_guard_is_a_distance_on_the_ground(gap_m, fails):
    chips = index(utm("a", 400_000), utm("b", 400_960 + gap_m))
    if not fails:
        return require_no_leakage(chips, SPLIT, 500.0)
    with pytest.raises(LeakageFound, match=f"are {gap_m} m apart, guard 500 m"):
        require_no_leakage(chips, SPLIT, 500.0)


@pytest.mark.parametrize(("degrees", "fails"), [(0.0173, True), (0.0187, False)])
def test_a_degree_of_longitude_is_shorter_at_sixty_degrees_north(degrees, fails):
    # 1 degree is 55.8 km there: the guard of 1000 m ends at 0.0179 degrees
    chips = index(("a", box(10, 60, 10.01, 60.01)), ("b", box(10.01 + degrees, 60, 10.05, 60.01)))
    if not fails:
        return require_no_leakage(chips, SPLIT, 1000.0)
    with pytest.raises(LeakageFound, match="m apart"):
        require_no_leakage(chips, SPLIT, 1000.0)


def test_chips_of_different_zones_are_compared_on_the_ground():
    west, east = utm("a", 735_500), utm("b", 263_600, epsg=32632)  # both at 6 degrees east, where the zones meet
    with pytest.raises(LeakageFound, match="overlap"):
        require_no_leakage(index(west, east), SPLIT, 0.0)


def test_chips_without_a_place_on_the_ground_may_not_share_pixels_of_a_source():
    require_no_leakage(index(("a", (0, 0)), ("b", (0, 10))), SPLIT, 0.0)
    with pytest.raises(LeakageFound, match="share pixels of one"):
        require_no_leakage(index(("a", (0, 0)), ("b", (9, 9))), SPLIT, 0.0)


def test_groups_of_a_cross_validation_are_kept_apart():
    folds = CrossValidation(groups=(("a",), ("b",), ("c", "d"))).folds()
    require_no_leakage(index(utm("c", 400_000), utm("d", 400_500)), folds, 0.0)
    with pytest.raises(LeakageFound, match="overlap"):
        require_no_leakage(index(utm("a", 400_000), utm("b", 400_500)), folds, 0.0)


def test_many_pairs_are_counted_and_not_all_named():
    rows = [utm("a" if number % 2 else "b", 400_000 + number) for number in range(12)]
    with pytest.raises(LeakageFound, match="and 26 more pairs") as caught:
        require_no_leakage(index(*rows), SPLIT, 0.0)
    assert len(caught.value.pairs) == 11


@pytest.mark.parametrize(
    ("places", "message"),
    [("ab", "the data holds no place c; it holds a, b"), ("abcde", "places d, e of the data stand in no split")],
)
def test_split_and_data_must_name_the_same_places(places, message):
    with pytest.raises(BadParams, match=message):
        require_places(tuple(places), SPLIT, "run")
