"""Losses: where their minimum lies, that gradients are right, and that what was not seen does not count."""

import numpy as np
import pytest
import torch
from torch.optim.lbfgs import LBFGS

from components.tasks.despeckling.losses import HistogramLoss, l1_log, l2_amplitude, l2_log, likelihood, merlin

REFLECTIVITY = 0.3
HISTOGRAM = HistogramLoss(-4.0, 2.0, bins=16, size_px=5)


def logs(looks, size=(1, 1, 600, 600), seed=0):
    noise = np.random.default_rng(seed).gamma(looks, REFLECTIVITY / looks, size)
    return torch.from_numpy(np.log(noise))


def minimum(loss):
    said = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    search = LBFGS([said], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        value = loss(said)
        value.backward()
        return value

    search.step(closure)
    return said.exp().item()


@pytest.mark.parametrize("looks", [1, 4.4])
@pytest.mark.parametrize("loss", [l2_log, l1_log, likelihood, l2_amplitude])
def test_the_constant_that_minimises_a_loss_is_the_reflectivity_within_one_per_cent(loss, looks):
    noisy = logs(looks)
    ones = torch.ones_like(noisy)
    best = minimum(lambda said: loss(said.expand_as(noisy), noisy, ones, looks))
    assert best == pytest.approx(REFLECTIVITY, rel=0.01)


@pytest.mark.parametrize("loss", [l2_log, l1_log, likelihood, l2_amplitude])
def test_a_target_without_speckle_is_not_debiased(loss):
    truth = torch.full((1, 1, 8, 8), float(np.log(REFLECTIVITY)), dtype=torch.float64)
    best = minimum(lambda said: loss(said.expand_as(truth), truth, torch.ones_like(truth), np.inf))
    assert best == pytest.approx(REFLECTIVITY, rel=1e-4)


def test_a_dark_image_counts_as_much_as_a_bright_one_in_amplitudes():
    said, noisy, seen = torch.zeros(1, 1, 16, 16), logs(4.4, (1, 1, 16, 16)).float(), torch.ones(1, 1, 16, 16)
    dark = l2_amplitude(said - 5, noisy - 5, seen, 4.4).item()
    assert dark == pytest.approx(l2_amplitude(said, noisy, seen, 4.4).item(), rel=1e-5)


def test_the_constant_that_minimises_merlin_is_the_reflectivity_within_one_per_cent():
    part = torch.from_numpy(np.random.default_rng(1).normal(0, (REFLECTIVITY / 2) ** 0.5, (1, 1, 600, 600)))
    best = minimum(lambda said: merlin(said.expand_as(part), part, torch.ones_like(part)))
    assert best == pytest.approx(REFLECTIVITY, rel=0.01)


def test_the_likelihood_at_one_look_is_the_published_one():
    said, noisy = torch.tensor([[[[0.5]]]]), torch.tensor([[[[-1.0]]]])
    assert likelihood(said, noisy, torch.ones(1, 1, 1, 1), 1).item() == pytest.approx(0.5 + 1 + np.exp(-1.5))


def every_loss(said, noisy, seen):
    return {
        "l2": l2_log(said, noisy, seen, 1),
        "l1": l1_log(said, noisy, seen, 1),
        "likelihood": likelihood(said, noisy, seen, 1),
        "merlin": merlin(said, noisy, seen),
        "amplitude": l2_amplitude(said, noisy, seen, 1),
        "histogram": HISTOGRAM(said, noisy, seen),
    }


@pytest.mark.parametrize("name", ["l2", "l1", "likelihood", "merlin", "amplitude", "histogram"])
def test_pixels_that_were_not_seen_neither_cost_nor_pull_nor_poison(name):
    said, noisy, seen = torch.randn(1, 1, 9, 9), logs(1, (1, 1, 9, 9)).float(), torch.ones(1, 1, 9, 9)
    seen[..., 4] = 0
    other = noisy.clone()
    other[..., 4] = torch.nan
    x, y = said.clone().requires_grad_(), said.clone().requires_grad_()
    one, two = every_loss(x, noisy, seen)[name], every_loss(y, other, torch.ones_like(seen))[name]
    assert one.item() == two.item()
    one.backward()
    two.backward()
    assert torch.equal(x.grad, y.grad)
    assert torch.isfinite(x.grad).all()
    assert x.grad[..., 4].abs().sum() == 0
    assert every_loss(said, noisy, torch.zeros_like(seen))[name].item() == 0


@pytest.mark.parametrize("name", ["likelihood", "merlin", "amplitude"])
def test_gradients_are_those_of_finite_differences(name):
    torch.manual_seed(1)
    said = torch.randn(1, 2, 5, 6, dtype=torch.float64).requires_grad_()
    noisy, seen = torch.randn(1, 2, 5, 6, dtype=torch.float64), (torch.rand(1, 1, 5, 6) > 0.2).double()
    assert torch.autograd.gradcheck(lambda x: every_loss(x, noisy, seen)[name], (said,), eps=1e-7, atol=1e-6)


def test_the_gradient_of_the_histogram_loss_is_that_of_finite_differences():
    torch.manual_seed(0)
    said = (torch.rand(1, 2, 6, 7, dtype=torch.float64) * 5 - 3.5).requires_grad_()
    noisy = torch.rand(1, 2, 6, 7, dtype=torch.float64) * 5 - 3.5
    seen = (torch.rand(1, 1, 6, 7) > 0.2).double()
    assert torch.autograd.gradcheck(lambda x: HISTOGRAM(x, noisy, seen), (said,), eps=1e-7, atol=1e-6)


def test_the_gradient_of_one_pixel_reaches_every_neighbour():
    said, noisy = torch.full((1, 1, 11, 11), -0.37), torch.full((1, 1, 11, 11), -0.37)
    noisy[0, 0, 5, 5] = 1.23
    said.requires_grad_()
    HISTOGRAM(said, noisy, torch.ones_like(noisy)).backward()
    touched = torch.nonzero(said.grad[0, 0].abs() > 1e-9)
    assert (touched.min().item(), touched.max().item()) == (1, 9)


def test_the_histogram_loss_is_zero_where_the_distributions_match_and_grows_as_they_part():
    noisy = logs(1, (1, 1, 12, 12)).float()
    whole = HistogramLoss(-6.0, 3.0, size_px=23)  # every neighbourhood is the whole image
    shuffled = noisy.flatten()[torch.randperm(144)].reshape(noisy.shape)
    ones = torch.ones_like(noisy)
    assert whole(shuffled, noisy, ones).item() == pytest.approx(0, abs=1e-10)
    assert HISTOGRAM(noisy, noisy, ones).item() == 0
    apart = [whole(noisy + shift, noisy, ones).item() for shift in (0.1, 0.5, 1.0)]
    assert 0 < apart[0] < apart[1] < apart[2]


def test_values_beyond_the_bins_count_in_the_outermost_ones():
    one, other = torch.full((1, 1, 3, 3), -50.0), torch.full((1, 1, 3, 3), -4.0)
    assert HISTOGRAM(one, other, torch.ones_like(one)).item() == 0
