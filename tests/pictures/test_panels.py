import numpy as np
import pytest

from components.errors import BandMismatch
from components.pictures.draw import CONFUSION_LEGEND, class_panel, confusion_panel, stretch, stretch_limits
from components.pictures.panels import UNSEEN
from components.raster.grid import Window
from tests.scenes import make_class_map, make_scene


def colour(name):
    return np.array(CONFUSION_LEGEND[name], np.float32) / 255


def test_a_stretch_fills_0_to_1_and_saturates_two_per_cent():
    image = stretch(make_scene(), ("B12", "B08", "B04"))
    assert image.shape == (64, 64, 3)
    assert (image.min(), image.max()) == (0, 1)
    assert (image == 1).mean(axis=(0, 1)) == pytest.approx([0.02] * 3, abs=0.003)


def test_unseen_pixels_are_grey_and_do_not_count():
    scene, hole = make_scene(), Window(0, 0, 32, 64)
    blind = make_scene(hole=hole)
    blind.array[:, 32:] = scene.array[:, 32:]
    assert np.allclose(stretch(blind, ("B04",))[hole.slices], np.array(UNSEEN) / 255)
    assert stretch_limits(blind, ("B04",)) == stretch_limits(scene.crop(Window(32, 0, 32, 64)), ("B04",))


def test_limits_of_another_date_make_two_dates_comparable():
    scene = make_scene()
    darker = scene.with_array(scene.array * 0.5)
    limits = stretch_limits(scene, ("B04",))
    assert stretch(darker, ("B04",), limits).mean() < stretch(scene, ("B04",), limits).mean()


@pytest.mark.parametrize("fill", [np.nan, 0.3])
def test_scenes_without_contrast_can_be_drawn(fill):
    scene = make_scene()
    image = stretch(scene.with_array(np.full_like(scene.array, fill)), ("B04",))
    assert np.isfinite(image).all()


def test_bands_are_named_and_one_or_three():
    with pytest.raises(ValueError, match="not 2"):
        stretch(make_scene(), ("B04", "B08"))
    with pytest.raises(BandMismatch):
        stretch(make_scene(), ("B11",))


def test_hits_misses_and_false_alarms_have_their_colours():
    truth = np.array([[True, True, False, False]])
    predicted = np.array([[True, False, True, False]])
    image = confusion_panel(truth, predicted)
    for column, name in enumerate(("found", "missed", "false alarm", "unchanged")):
        assert np.allclose(image[0, column], colour(name))


def test_unseen_pixels_are_neither_right_nor_wrong():
    seen = np.array([[True, False]])
    assert np.allclose(confusion_panel(~seen, seen, seen)[0, 1], colour("no data"))


def test_maps_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="must be one"):
        confusion_panel(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


def test_a_class_map_has_the_colours_of_its_classes():
    scene = make_class_map(patches=(Window(0, 0, 1, 1),))
    scene.array[0, 63, 63] = 255
    image = class_panel(scene)
    assert np.allclose(image[0, 0], np.array(scene.classes[1].colour) / 255)
    assert np.allclose(image[5, 5], np.array(scene.classes[0].colour) / 255)
    assert np.allclose(image[63, 63], np.array(UNSEEN) / 255)
