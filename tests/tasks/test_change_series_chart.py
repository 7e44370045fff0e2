import numpy as np
import pytest

from components.raster.scene import Scene
from components.tasks.change.pair import PROBABILITY
from components.tasks.change.reactiv import SERIES, Reactiv
from components.tasks.change.series_chart import SIDE_PX, Pixel, chart, marked, telling_pixel
from components.tasks.change.series_drawing import draw
from components.tasks.seam import Sample
from tests.tasks.series import speckle_stack


@pytest.fixture(scope="module")
def told():
    """A series with one bright patch from date 12 to date 18, and what REACTIV says of it."""
    stack = speckle_stack(30)
    stack.array[12:19, :, 10:20, 30:40] *= 40
    return stack, Reactiv(("VV", "VH"), (4.4, 4.4), 0.001).predict({SERIES: stack})


def test_the_pixel_that_is_shown_lies_in_the_event(told):
    _, output = told
    row, col = telling_pixel(output["when"], output[PROBABILITY])
    assert (10 <= row < 20, 30 <= col < 40) == (True, True)


def test_without_an_event_there_is_no_series_to_show(told):
    stack, output = told
    when = output["when"].with_array(np.full_like(output["when"].array, np.nan))
    assert telling_pixel(when, output[PROBABILITY]) is None
    shown = draw(Sample("quiet", "quiet", {SERIES: stack}), {**output, "when": when})
    assert not any(name.startswith("series") for name in shown.panels)


def test_the_chart_shows_the_event_of_the_answer_and_the_true_one(told):
    stack, output = told
    inside, outside = Pixel(15, 35), Pixel(40, 5)
    found = chart(stack, inside, output["when"])
    assert found.shape == (SIDE_PX, SIDE_PX, 3)
    assert (found.min(), found.max()) == (0, 1)
    blue = found[..., 2] - found[..., 0] > 0.05  # the stripe of the event, on white paper and black lines
    columns = np.flatnonzero(blue.any(axis=0)) / SIDE_PX
    assert 0.4 < columns.min() < columns.max() < 0.75
    quiet = chart(stack, outside, output["when"])
    assert not (quiet[..., 2] - quiet[..., 0] > 0.05).any()
    orange = chart(stack, inside, output["when"], np.array([12, 18], np.int16))
    assert (orange[..., 0] - orange[..., 2] > 0.5).any()
    nothing = chart(stack, inside, output["when"], np.array([-1, -1], np.int16))
    np.testing.assert_array_equal(nothing, found)


def test_a_series_with_holes_is_drawn_with_gaps(told):
    stack, output = told
    holes = stack.array.copy()
    holes[3:6] = np.nan
    gaps = chart(
        type(stack)(holes, stack.grid, stack.bands, stack.unit, stack.dates, float("nan")),
        Pixel(15, 35),
        output["when"],
    )
    assert np.isfinite(gaps).all()


def test_the_picture_holds_the_chart_and_marks_its_pixel(told):
    stack, output = told
    shown = draw(Sample("site", "site", {SERIES: stack}), output)
    (name,) = (name for name in shown.panels if name.startswith("series at"))
    assert shown.panels[name].shape == (SIDE_PX, SIDE_PX, 3)
    row, col = telling_pixel(output["when"], output[PROBABILITY])
    assert name == f"series at {row}, {col}"
    arm = shown.panels["last"][row, col + 1]
    assert arm[2] > arm[0]


@pytest.mark.parametrize("pixel", [Pixel(0, 0), Pixel(9, 9), Pixel(4, 5)])
def test_the_mark_leaves_its_pixel_as_it_is(pixel):
    image = np.full((10, 10, 3), 0.5, np.float32)
    out = marked(image, pixel)
    np.testing.assert_array_equal(out[pixel], image[pixel])
    assert (out != image).any()
    assert (image == 0.5).all()


def test_a_scene_of_one_polarisation_has_one_line(told):
    stack, _ = told
    one = type(stack)(stack.array[:, :1], stack.grid, ("VV",), stack.unit, stack.dates, float("nan"))
    output = Reactiv(("VV",), (4.4,), 0.001).predict({SERIES: one})
    assert isinstance(output["when"], Scene)
    assert chart(one, Pixel(15, 35), output["when"]).shape == (SIDE_PX, SIDE_PX, 3)
    assert output["background"].bands == ("VV",)
