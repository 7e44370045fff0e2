from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from shapely import hausdorff_distance
from shapely.geometry import Polygon

from components.errors import BadParams
from components.raster.grid import Grid, Window
from components.review.brush import decode_mask, encode_mask
from components.review.coco import coco_of, read_coco
from components.review.corrections import Author
from components.review.geojson import geojson_of, read_geojson
from components.review.project import Chip, Project
from components.review.shapes import Region, codes_of, in_pixels, on_map, regions_of
from components.review.studio import read_tasks, task_of
from tests.scenes import CHANGE_CLASSES, make_class_map, make_grid

ANA = Author("ana", "2026-01-02")
MOST_ERROR_PX = 0.01
PLACES = {
    32631: (500_000.0, 5_000_000.0),
    32760: (300_000.0, 5_900_000.0),  # New Zealand, near the antimeridian
    3031: (400_000.0, -1_200_000.0),  # Antarctica
    4326: (7.5, 46.2),
    3857: (-13_000_000.0, 4_500_000.0),
}


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    """A chip on a grid that may be rotated, sheared by unlike pixels, south-up, in degrees or in polar metres."""
    code = draw(st.sampled_from(sorted(PLACES)))
    size = draw(st.floats(0.3, 60)) * (1 / 111_000 if code == 4326 else 1)
    ratio, turn = draw(st.floats(0.5, 2)), draw(st.floats(-180, 180))
    up = draw(st.sampled_from([-1, 1]))
    transform = Affine.translation(*PLACES[code]) @ Affine.rotation(turn) @ Affine.scale(size, up * size * ratio)
    window = Window(3, 5, draw(st.integers(8, 256)), draw(st.integers(8, 256)))
    grid = Grid(CRS.from_epsg(code), transform, (window.rows, window.cols))
    return Chip("a@3,5", "a", "p", window, grid, "", "", "", 0.5)


@st.composite
def patches(draw: st.DrawFn) -> tuple[Chip, Polygon]:
    """A chip and a star-shaped patch inside it, with a hole or two."""
    chip = draw(chips())
    rows, cols = chip.window.rows, chip.window.cols
    radii = np.array(draw(st.lists(st.floats(0.5, 1), min_size=5, max_size=12)))
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    star = np.stack([cols / 2 * (1 + 0.98 * radii * np.cos(angles)), rows / 2 * (1 + 0.98 * radii * np.sin(angles))], 1)
    holes = [
        [(cols * (x + dx), rows * (0.5 + dy)) for dx, dy in ((-0.03, -0.03), (0.03, -0.03), (0.0, 0.04))]
        for x in draw(st.sampled_from([(), (0.5,), (0.45, 0.55)]))
    ]
    return chip, Polygon(star, holes)


def project_of(chip: Chip, zoom: int = 2) -> Project:
    return Project("d", "v", "mask", ("before", "after"), CHANGE_CLASSES, 0, zoom, (chip,)).identified()


def error_px(found: Polygon, true: Polygon, chip: Chip) -> float:
    """The largest distance between two outlines, holes included, in pixels, both compared on the map."""
    there, here = on_map(found, chip.grid), on_map(true, chip.grid)
    return hausdorff_distance(in_pixels(there.boundary, chip.grid), in_pixels(here.boundary, chip.grid))


@settings(max_examples=30, deadline=None)
@given(patches())
def test_a_patch_with_holes_survives_label_studio_to_a_hundredth_of_a_pixel(case: tuple[Chip, Polygon]) -> None:
    chip, patch = case
    project = project_of(chip)
    task = json.loads(json.dumps(task_of(project, chip, {}, [Region("changed", patch)])))
    task["annotations"] = [{"result": task["predictions"][0]["result"], "completed_by": 7}]
    (region,) = read_tasks(project, [task], "test")[0].regions
    assert len(region.shape.interiors) == len(patch.interiors)
    assert error_px(region.shape, patch, chip) < MOST_ERROR_PX


@settings(max_examples=30, deadline=None)
@given(patches())
def test_a_patch_with_holes_survives_geojson_in_degrees_to_a_hundredth_of_a_pixel(case: tuple[Chip, Polygon]) -> None:
    chip, patch = case
    project = project_of(chip)
    content = json.loads(json.dumps(geojson_of(project, {chip.id: [Region("changed", patch)]})))
    (region,) = read_geojson(project, content, ANA, "test")[0].regions
    assert len(region.shape.interiors) == len(patch.interiors)
    assert error_px(region.shape, patch, chip) < MOST_ERROR_PX


@settings(max_examples=30, deadline=None)
@given(patches())
def test_a_patch_without_holes_survives_coco_to_a_hundredth_of_a_pixel(case: tuple[Chip, Polygon]) -> None:
    chip, patch = case
    project, solid = project_of(chip), Polygon(patch.exterior)
    content = json.loads(json.dumps(coco_of(project, {chip.id: [Region("changed", solid)]}, {chip.id: "x.png"})))
    (region,) = read_coco(project, content, ANA, "test")[0].regions
    assert error_px(region.shape, solid, chip) < MOST_ERROR_PX


@settings(max_examples=12, deadline=None)
@given(st.integers(8, 16), st.integers(8, 16), st.integers(1, 3), st.integers(0, 10_000))
def test_any_label_burns_back_exactly_from_all_three_forms(rows: int, cols: int, zoom: int, seed: int) -> None:
    grid = make_grid((rows, cols))
    codes = np.random.default_rng(seed).choice([0, 1, 255], (1, rows, cols), p=[0.5, 0.4, 0.1]).astype(np.uint8)
    label = replace(make_class_map((rows, cols), (), grid=grid), array=codes)
    chip = Chip("a@0,0", "a", "p", Window(0, 0, rows, cols), grid, "", "", "", 0.0)
    project = project_of(chip, zoom)
    regions = {chip.id: regions_of(label, 0)}
    polygons, strokes = (task_of(project, chip, {}, regions[chip.id], brush=brush) for brush in (False, True))
    for task in (polygons, strokes):
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    forms = (
        read_tasks(project, [polygons], "polygons"),
        read_tasks(project, [strokes], "brush"),
        read_coco(project, coco_of(project, regions, {chip.id: "x.png"}), ANA, "coco"),
        read_geojson(project, geojson_of(project, regions), ANA, "geojson"),
    )
    for (correction,) in forms:
        assert np.array_equal(codes_of(correction.regions, label, CHANGE_CLASSES, 0), codes[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 1000))
def test_a_brush_mask_survives_its_run_lengths(rows: int, cols: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((rows, cols)) < share
    assert np.array_equal(decode_mask(encode_mask(mask), (rows, cols), "test"), mask)


def test_a_brush_with_values_one_by_one_is_read_as_label_studio_writes_it() -> None:
    bits = f"{8:032b}" + f"{7:05b}" + "".join(f"{n:04b}" for n in (2, 3, 7, 15))
    bits += "0" + "00" + "111" + "".join(f"{v:08b}" for v in (9, 9, 9, 255, 9, 9, 9, 0))  # eight literal values
    packed = np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tolist()
    assert decode_mask(packed, (1, 2), "test").tolist() == [[True, False]]


def test_a_brush_cut_short_is_refused() -> None:
    with pytest.raises(BadParams, match="cut short"):
        decode_mask(encode_mask(np.eye(9, dtype=bool))[:-2], (9, 9), "test")
