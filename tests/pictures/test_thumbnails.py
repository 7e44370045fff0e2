import base64
from io import BytesIO

import numpy as np
from matplotlib.image import imread

from components.pictures.thumbnails import data_uri, enlarged, outlined

GREY = np.full((4, 6, 3), 0.5, np.float32)


def test_enlarging_repeats_every_pixel():
    large = enlarged(np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 6, 3)
    assert large.shape == (3, 6, 3)
    assert (large[:, :3] == large[0, 0]).all()


def test_an_outline_runs_where_codes_differ_and_nowhere_else():
    codes = np.zeros((4, 6), int)
    codes[:, 3:] = 1
    drawn = outlined(GREY, codes, (255, 0, 0))
    red = (drawn == [1, 0, 0]).all(axis=-1)
    assert red[:, 2:4].all()
    assert not red[:, [0, 1, 4, 5]].any()
    assert (GREY == 0.5).all()


def test_the_outline_of_an_enlarged_picture_stays_thin():
    codes = np.zeros((4, 6), int)
    codes[:, 3:] = 1
    drawn = outlined(enlarged(GREY, 4), codes, (255, 0, 0), 4)
    assert (drawn == [1, 0, 0]).all(axis=-1).sum() == 2 * 16


def test_a_picture_in_a_page_is_the_same_picture():
    ramp = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3)
    kind, _, data = data_uri(ramp).partition(",")
    assert kind == "data:image/png;base64"
    assert np.allclose(imread(BytesIO(base64.b64decode(data)))[..., :3], ramp, atol=1 / 255)
