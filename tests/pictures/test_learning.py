import pytest
from matplotlib.image import imread

from components.pictures.learning import save_learning_curves

CURVES = {"worst": [(0, 0.5, 0.4, 0.6), (10, 0.8, 0.7, 0.9)], "random": [(0, 0.5, 0.4, 0.6), (10, 0.6, 0.5, 0.7)]}
LABELS = ("chips reviewed", "F1")


def test_the_same_curves_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_learning_curves(CURVES, {"clean": 0.85}, tmp_path / name, title="worth", labels=LABELS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_each_curve_has_a_colour_of_its_own(tmp_path):
    save_learning_curves(CURVES, {}, tmp_path / "curves.png", title="worth", labels=LABELS)
    picture = (imread(tmp_path / "curves.png")[..., :3] * 255).round().astype(int).reshape(-1, 3)
    for colour in ((0, 114, 178), (138, 138, 138)):
        assert (picture == colour).all(axis=1).sum() > 100


def test_no_curve_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no strategy"):
        save_learning_curves({}, {}, tmp_path / "none.png", title="", labels=LABELS)
