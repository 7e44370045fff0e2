"""One complex image is enough to learn from, where its parts are independent."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from components.metrics.speckle import Suppression, mean_of_intensity
from components.tasks.despeckling.local import boxcar, lee
from components.tasks.despeckling.merlin import Learning, centred, learn, parts, surprise

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
SINGLE_LOOK = REAL / "sar_speckle" / "deepdespeckling" / "test_image_data.npy"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def single_look(truth, seed, offset=0.0):
    """A complex image whose band-limited spectrum fills half of each axis, moved along the rows by ``offset``."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(truth.shape) + 1j * rng.standard_normal(truth.shape)
    kept = np.outer(*(np.abs(np.fft.fftfreq(size)) < 0.25 for size in truth.shape))
    field = np.fft.ifft2(np.fft.fft2(white) * kept)
    field /= np.sqrt((np.abs(field) ** 2).mean())
    ramp = np.exp(2j * np.pi * offset * np.arange(truth.shape[0]))[:, None]
    return (np.sqrt(truth) * field * ramp).astype(np.complex64)


def alike(image):
    """How far the real part of a pixel tells the imaginary part of its neighbours."""
    real, imaginary = parts(image)
    return max(abs(np.corrcoef(real[1:].ravel(), imaginary[:-1].ravel())[0, 1]), 0)


def fields(side=96):
    truth = np.ones((side, side), np.float32)
    truth[:, side // 2 :] = 8
    truth[side // 3 : side // 2, side // 4 : side // 2] = 3
    return truth


def test_centring_makes_the_parts_independent():
    moved = single_look(np.ones((256, 256)), 0, offset=0.17)
    assert alike(moved) > 0.3
    assert alike(centred(moved)) < 0.03


def test_centring_keeps_the_intensity():
    image = single_look(fields(), 1, offset=0.1)
    np.testing.assert_allclose(np.abs(centred(image)), np.abs(image), rtol=1e-4)


def test_the_truth_surprises_least():
    truth = fields()
    _, imaginary = parts(single_look(truth, 2))
    at = surprise(truth, imaginary)
    assert at < surprise(truth * 1.3, imaginary)
    assert at < surprise(truth / 1.3, imaginary)
    assert at < surprise(np.full_like(truth, truth.mean()), imaginary)


def test_an_image_smaller_than_a_crop_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        learn(np.zeros((20, 20), np.complex64), Learning(steps=1))


@pytest.mark.slow
def test_a_network_learns_from_the_speckled_parts_alone():
    truth = fields()
    network = learn(single_look(truth, 3), Learning(steps=100, batch=4, crop_px=40, width=12, lr=5e-3))
    unseen = single_look(truth[::-1].copy(), 4)
    said = network.despeckled(unseen)
    error, noise = (np.log(each / truth[::-1]).std() for each in (said, np.abs(unseen) ** 2))
    assert error < 0.6 * noise
    found = Suppression.of(np.abs(unseen) ** 2, said)
    assert found.ratio_mean == pytest.approx(1, abs=0.15)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(not SINGLE_LOOK.is_file(), reason=f"no single-look sample at {SINGLE_LOOK}; set SWATH_REAL_DATA")
def test_half_of_a_real_image_teaches_to_filter_the_other_half():
    numbers = np.squeeze(np.load(SINGLE_LOOK)).astype(np.float32)
    image = centred(numbers[..., 0] + 1j * numbers[..., 1])
    assert alike(image) < 0.05
    network = learn(image[:, :128], Learning(steps=400, width=16))
    real, imaginary = parts(image[:, 144:])
    learnt = surprise(network.from_part(real), imaginary)
    power = 2 * real**2
    assert learnt < surprise(boxcar(power), imaginary)
    assert learnt < surprise(lee(power, 0.5), imaginary)
    noisy, said = np.abs(image[:, 144:]) ** 2, network.despeckled(image[:, 144:])
    assert mean_of_intensity(noisy, said) == pytest.approx(1, abs=0.15)
