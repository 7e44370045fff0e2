"""`swath predict --picture` and `--metres`: what a person looks at, and the flow on the ground."""

import re

import numpy as np
import pytest
from PIL import Image

from components.errors import BadParams, BadScene
from components.raster.cog import write_scene
from components.raster.io import describe, read_scene
from components.raster.scene import Scene
from components.simulation.optical import optical_pair
from tests.flows.in_service import displaced_pair, serve, swath
from tests.flows.test_predict_series import write_dates
from tests.scenes import make_grid


@pytest.fixture(autouse=True)
def _in_service(monkeypatch):
    """Every run is in service as it is before training."""
    serve(monkeypatch)


@pytest.fixture
def pair(tmp_path):
    """Radar and optical scene, 10 m a pixel, the optical one displaced by 2 columns and -1 row."""
    return displaced_pair(tmp_path, 2, -1)


def test_a_person_sees_mosaics_before_and_after_and_the_flow(pair, tmp_path):
    out, picture = tmp_path / "registered.tif", tmp_path / "pictures" / "mosaic.png"
    done = swath("coregistration-templates", *pair, "-o", out, "--picture", picture)
    assert done.exit_code == 0, done.exception
    assert "picture of the middle" in done.output
    with Image.open(picture) as image:
        width, height = image.size
        colours = np.asarray(image.convert("HSV"))[..., 1]
    assert width > 4 * 280, "mosaic before, mosaic after, flow, confidence"
    assert width > height
    assert (colours > 100).any(), "the flow has a hue"
    assert sorted(path.name for path in picture.parent.iterdir()) == ["mosaic.png"], "nothing is left beside it"


def test_the_flow_in_metres_is_the_flow_in_pixels_on_the_ground(pair, tmp_path):
    flow, metres = tmp_path / "flow.tif", tmp_path / "metres.tif"
    done = swath("coregistration-templates", *pair, "-o", tmp_path / "out.tif", "--flow", flow, "--metres", metres)
    assert done.exit_code == 0, done.exception
    info = describe(metres)
    assert (info.bands, info.unit, info.grid) == (("east", "north"), "m", describe(flow).grid)
    pixels, ground = read_scene(flow).array, read_scene(metres).array
    np.testing.assert_array_equal(ground[0], 10 * pixels[0])
    np.testing.assert_array_equal(ground[1], -10 * pixels[1])  # rows run south
    assert np.nanmedian(ground[1, 32:-32, 32:-32]) == pytest.approx(10, abs=2)  # radar fronts pull the other band west


def test_metres_are_read_from_the_flow(pair, tmp_path):
    done = swath("coregistration-templates", *pair, "-o", tmp_path / "out.tif", "--metres", tmp_path / "metres.tif")
    assert isinstance(done.exception, BadParams)
    assert "say --flow FILE too" in str(done.exception)


def test_check_points_are_told_before_and_after(pair, tmp_path):
    points = tmp_path / "points.txt"
    np.savetxt(points, [[x, y, x + 1, y - 1] for x in range(50, 140, 30) for y in range(50, 140, 30)])
    files = ["-o", tmp_path / "out.tif", "--flow", tmp_path / "flow.tif", "--points", points]
    done = swath("coregistration-templates", *pair, *files)
    assert done.exit_code == 0, done.exception
    before, after = (
        float(re.search(rf"9 check points {word}: RMSE ([0-9.]+) px", done.output)[1]) for word in ("before", "after")
    )
    assert before == pytest.approx(np.sqrt(2), abs=0.01)
    assert after < 1, "radar fronts displace some of them"


@pytest.mark.parametrize(("text", "says"), [("1 2 3\n", "found 3 columns"), ("x y x y\n", "not a table of numbers")])
def test_a_table_of_points_that_is_none_is_refused_before_anything_is_computed(text, says, pair, tmp_path):
    points, out = tmp_path / "points.txt", tmp_path / "out.tif"
    points.write_text(text)
    done = swath("coregistration-templates", *pair, "-o", out, "--flow", tmp_path / "flow.tif", "--points", points)
    assert isinstance(done.exception, BadParams)
    assert says in str(done.exception)
    assert not out.exists()


def test_a_pair_without_a_place_has_no_metres_and_nothing_is_computed(pair, tmp_path):
    for path in pair:
        scene = read_scene(path)
        write_scene(scene.with_array(scene.array, grid=make_grid(scene.grid.shape, None)), path)
    out, flow = tmp_path / "out.tif", tmp_path / "flow.tif"
    done = swath("coregistration-templates", *pair, "-o", out, "--flow", flow, "--metres", tmp_path / "metres.tif")
    assert isinstance(done.exception, BadScene)
    assert "has no CRS" in str(done.exception)
    assert not out.exists()


def test_a_pair_of_dates_is_shown_with_its_change(tmp_path):
    made = optical_pair(5, (128, 160))
    for name in ("before", "after"):
        write_scene(getattr(made, name), tmp_path / f"{name}.tif")
    scenes = tmp_path / "before.tif", tmp_path / "after.tif"
    done = swath("change-sandbox", *scenes, "-o", tmp_path / "change.tif", "--picture", tmp_path / "change.png")
    assert done.exit_code == 0, done.exception
    assert Image.open(tmp_path / "change.png").width > 3 * 280


def test_a_series_is_shown_with_the_series_of_a_pixel(tmp_path):
    folder, picture = write_dates(tmp_path / "dates", 12), tmp_path / "change.png"
    done = swath("change-sar", folder, "-o", tmp_path / "change.tif", "--unit", "intensity", "--picture", picture)
    assert done.exit_code == 0, done.exception
    assert Image.open(picture).width > 4 * 280


def test_a_filtered_scene_is_shown_beside_the_noisy_one(tmp_path):
    noise = np.random.default_rng(0).gamma(4.4, 0.1 / 4.4, (2, 96, 96)).astype(np.float32)
    write_scene(Scene(noise, make_grid((96, 96)), ("VV", "VH"), "intensity", float("nan")), tmp_path / "s1.tif")
    picture = tmp_path / "filtered.png"
    done = swath("despeckling-sandbox", tmp_path / "s1.tif", "-o", tmp_path / "filtered.tif", "--picture", picture)
    assert done.exit_code == 0, done.exception
    assert Image.open(picture).width > 3 * 280
