import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon, box

from components.inference.joining import Joiner
from components.inference.tiling import Layout
from components.raster.grid import Grid
from components.raster.scene import Features

SHAPE = (64, 128)
UTM = CRS.from_epsg(32631)
PIXELS = Grid(UTM, Affine(1, 0, 0, 0, 1, 0), SHAPE)  # a row is a y, a column an x: easy to think in
NORTH_UP = Grid(UTM, Affine(10, 0, 5e5, 0, -10, 4e6), SHAPE)


def seen_by_tiles(things, table=None, halo=16, grid=PIXELS):
    """What each of two tiles of 64 px sees of the things: cut at the edge of its padded window."""
    joiner = Joiner(grid)
    for tile in Layout(64, halo, alignment_px=1).tiles(SHAPE):
        window = tile.padded
        corners = [grid.transform @ (window.col, window.row)]
        corners.append(grid.transform @ (window.col + window.cols, window.row + window.rows))
        ground = box(*np.min(corners, axis=0), *np.max(corners, axis=0))
        pieces = [(number, thing.intersection(ground)) for number, thing in enumerate(things)]
        kept = [(number, piece) for number, piece in pieces if not piece.is_empty]
        columns = {name: np.array([values[number] for number, _ in kept]) for name, values in (table or {}).items()}
        joiner.add(Features(tuple(piece for _, piece in kept), UTM, columns), tile)
    return joiner.joined()


def test_a_polygon_longer_than_the_overlap_is_one_feature_again():
    field = Polygon([(10, 10), (120, 20), (110, 50), (20, 40)])
    found = seen_by_tiles([field])
    assert len(found.geometries) == 1
    assert found.geometries[0].symmetric_difference(field).area < 1e-6


def test_boxes_stay_boxes():
    (joined,) = seen_by_tiles([box(30, 10, 100, 20)]).geometries
    assert joined.equals(box(30, 10, 100, 20))


def test_a_thing_that_both_tiles_see_whole_counts_once_and_one_at_the_seam_is_not_lost():
    things = [box(60, 10, 70, 20), box(63, 30, 65, 40), box(2, 2, 8, 8), box(120, 50, 126, 60)]
    found = seen_by_tiles(things)
    assert sorted(each.bounds for each in found.geometries) == sorted(each.bounds for each in things)


def test_neighbours_that_touch_at_the_seam_stay_two():
    assert len(seen_by_tiles([box(50, 10, 64, 20), box(64, 10, 80, 20)]).geometries) == 2


def test_things_of_two_classes_at_one_place_stay_two():
    things, classes = [box(55, 10, 75, 20), box(55, 10, 75, 20)], {"code": [1, 2]}
    assert sorted(seen_by_tiles(things, classes).table["code"]) == [1, 2]


def test_the_best_score_says_the_rest():
    joiner = Joiner(PIXELS)
    for tile, score in zip(Layout(64, 16, alignment_px=1).tiles(SHAPE), (0.4, 0.9), strict=True):
        joiner.add(Features((box(58, 10, 70, 20),), UTM, {"score": np.array([score])}), tile)
    assert joiner.joined().table["score"].tolist() == [0.9]


def test_a_turned_rectangle_stays_one():
    turned = affinity.rotate(box(50, 25, 78, 35), 30)
    (joined,) = seen_by_tiles([turned], halo=24).geometries
    assert joined.symmetric_difference(turned).area < 1e-6


@pytest.mark.parametrize("thing", [Point(64, 5), Point(63.9, 5), LineString([(60, 5), (70, 9)])])
def test_points_and_lines_count_for_one_tile(thing):
    assert len(seen_by_tiles([thing]).geometries) >= 1
    assert len(seen_by_tiles([Point(64, 5)]).geometries) == 1


def test_a_grid_that_runs_north_up_changes_nothing():
    west, north = NORTH_UP.transform @ (30, 10)
    east, south = NORTH_UP.transform @ (100, 20)
    (joined,) = seen_by_tiles([box(west, south, east, north)], grid=NORTH_UP).geometries
    assert joined.equals(box(west, south, east, north))


def test_no_feature_anywhere_keeps_the_columns():
    joiner = Joiner(PIXELS)
    for tile in Layout(64, 4).tiles(SHAPE):
        joiner.add(Features((), UTM, {"score": np.zeros(0, np.float32)}), tile)
    found = joiner.joined()
    assert (found.geometries, found.table["score"].shape) == ((), (0,))
