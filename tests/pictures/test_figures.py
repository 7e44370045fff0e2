import numpy as np
import pytest
from matplotlib.image import imread

from components.pictures.draw import CONFUSION_LEGEND, contact_sheet, save_curve, save_intervals, save_picture
from components.pictures.picture import Picture

RED = np.zeros((40, 60, 3), np.float32) + np.array([1, 0, 0], np.float32)
HISTORY = [{"epoch": n, "losses": {"ce": 1 / n}, "f1": None if n == 1 else n / 10} for n in range(1, 7)]


def picture(title="a fire", **panels):
    return Picture(title, panels or {"before": RED, "after": RED}, "what is seen", CONFUSION_LEGEND)


def figures(folder):
    folder.mkdir(exist_ok=True)
    save_picture(picture(), folder / "picture.png")
    contact_sheet([picture(), picture("b", truth=RED.transpose(1, 0, 2))], folder / "sheet.png", title="all")
    save_curve(HISTORY, folder / "curve.png", title="t", best=4)
    scores = {"candidate": (0.7, 0.6, 0.8), "nothing": (None, None, None), "point": (0.5, None, None)}
    save_intervals(scores, folder / "intervals.png", title="t", label="F1")
    return sorted(folder.iterdir())


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first, second = (figures(tmp_path / name) for name in "ab")
    assert len(first) == 4
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_no_figure_says_when_or_by_what_it_was_made(tmp_path):
    for path in figures(tmp_path):
        assert not any(word in path.read_bytes() for word in (b"tEXt", b"tIME", b"matplotlib"))


def test_the_panels_are_in_the_picture(tmp_path):
    save_picture(picture(), tmp_path / "picture.png")
    pixels = imread(tmp_path / "picture.png")[..., :3]
    assert 0.3 < (pixels == [1, 0, 0]).all(axis=-1).mean() < 0.9


def test_a_tall_sheet_has_a_row_for_each_picture(tmp_path):
    for count in (1, 3):
        contact_sheet([picture()] * count, tmp_path / f"{count}.png")
    one, three = (imread(tmp_path / f"{count}.png").shape[0] for count in (1, 3))
    assert 2 * one < three < 3 * one


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: contact_sheet([], path),
        lambda path: save_curve([], path),
        lambda path: save_intervals({}, path, title="t", label="F1"),
    ],
)
def test_nothing_to_draw_is_refused_and_leaves_no_file(tmp_path, draw):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []


def test_a_history_of_losses_alone_can_be_drawn(tmp_path):
    save_curve([{"epoch": 1, "losses": {"a": 1.0, "b": 2.0}}], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000
