"""Windowed correlation with gradients says what template matching says, and learns from the true displacement."""

import math

import numpy as np
import pytest
import torch

from components.tasks.coregistration.losses import matching_loss
from components.tasks.coregistration.structure import Structure
from components.tasks.coregistration.template_settings import TemplateSettings
from components.tasks.coregistration.window_matching import Scorer
from models.window_correlation import window_correlation

RADIUS, REACH = 4, 3


@pytest.fixture
def features():
    drawn = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    return drawn[0], (0.7 * np.roll(drawn[0], (1, -2), (1, 2)) + 0.3 * drawn[1]).astype(np.float32)


def test_it_scores_as_template_matching_does(features):
    known = np.ones((32, 32), bool)
    scorer = Scorer.of(*(Structure(each, known) for each in features), TemplateSettings(RADIUS, REACH))
    scores = window_correlation(*(torch.from_numpy(each)[None] for each in features), RADIUS, REACH)[0]
    for row, col in ((12, 15), (16, 16), (20, 11)):
        expected = scorer.surface(row, col)
        assert scores[:, row, col].reshape(expected.shape).numpy() == pytest.approx(expected, abs=0.02)


def test_the_highest_score_is_the_displacement_of_the_features(features):
    scores = window_correlation(*(torch.from_numpy(each)[None] for each in features), RADIUS, REACH)[0]
    assert (scores[:, 8:-8, 8:-8].argmax(0) == (1 + REACH) * (2 * REACH + 1) + (-2 + REACH)).all()


def test_a_stride_scores_every_so_many_windows_the_same(features):
    pair = [torch.from_numpy(each)[None] for each in features]
    every, some = window_correlation(*pair, RADIUS, REACH), window_correlation(*pair, RADIUS, REACH, 3)
    assert torch.allclose(every[..., ::3, ::3], some, atol=1e-5)


def test_features_without_structure_resemble_nothing_and_have_finite_gradients():
    blank = torch.ones(1, 3, 32, 32, requires_grad=True)
    scores = window_correlation(blank, torch.rand(1, 3, 32, 32), RADIUS, REACH)
    scores.square().sum().backward()
    assert scores[..., 8:-8, 8:-8].abs().max() < 0.05
    assert torch.isfinite(blank.grad).all()


def surely(dy, dx, height=30.0):
    """Logits of 8 x 8 cells that are sure of one displacement."""
    logits = torch.zeros(1, (2 * REACH + 1) ** 2, 8, 8)
    logits[:, (dy + REACH) * (2 * REACH + 1) + dx + REACH] = height
    return logits


def test_the_loss_is_least_at_the_true_displacement():
    truth = torch.zeros(1, 2, 16, 16)
    truth[:, 0], truth[:, 1] = 2.0, -4.0  # px: one cell to the right, two up
    losses = {(dy, dx): float(matching_loss(surely(dy, dx), truth, 2, 1, 0)) for dy in (-2, -1, 1) for dx in (0, 1)}
    assert min(losses, key=losses.get) == (-2, 1)


def test_without_knowledge_the_loss_is_the_logarithm_of_the_number_of_displacements():
    truth = torch.zeros(1, 2, 16, 16)
    assert float(matching_loss(surely(0, 0, height=0.0), truth, 2, 1, 0)) == pytest.approx(math.log(49), rel=1e-4)


@pytest.mark.parametrize("flow", [math.nan, 40.0])
def test_what_is_unknown_or_out_of_reach_does_not_count(flow):
    assert float(matching_loss(surely(0, 0), torch.full((1, 2, 16, 16), flow), 2, 1, 0)) == 0


def test_windows_at_the_border_do_not_count():
    truth = torch.zeros(1, 2, 16, 16)
    logits = surely(1, 1)
    logits[..., 3:5, 3:5] = surely(0, 0)[..., 3:5, 3:5]
    right = matching_loss(surely(0, 0), truth, 2, 1, 0)
    assert matching_loss(logits, truth, 2, 1, 3) == pytest.approx(float(right), rel=1e-4)
    assert matching_loss(logits, truth, 2, 1, 0) > 2 * right
