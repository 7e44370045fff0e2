"""FlowNetS, PWC-Net, PWC-Net-multimodal and the recurrent network: cost volume, warps, sizes, scales, learning."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.correlation import correlation
from models.feature_warping import warp_features
from models.flow_estimate import unit_length
from models.flownet import FlowNetS
from models.matched_start import STRIDE_PX as MATCHED_STRIDE_PX
from models.matched_start import BegunFlow, MatchedStart
from models.pwcnet import PWCNet, PWCNetMultimodal
from models.recurrent_flow import REACH, STRIDE_PX, RecurrentFlow, _convex, _matched, _volumes, looked_up

SMALL = {
    "flownet-s": lambda: FlowNetS(width=0.125),
    "pwc-net": lambda: PWCNet(width=0.25),
    "pwc-net-multimodal": lambda: PWCNetMultimodal(width=0.25),
    "pwc-net-multimodal to a half": lambda: PWCNetMultimodal(width=0.25, finest=1, normalised=True),
    "recurrent-flow": lambda: RecurrentFlow(width=0.5),
}
TWINNED = ["pwc-net-multimodal", "recurrent-flow"]


def made(name, seed=0):
    torch.manual_seed(seed)
    return SMALL[name]()


def images(count, *shape, seed=0):
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed)).unbind()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("rows", "cols", "reach"), [(5, 7, 1), (9, 33, 4), (3, 16, 4)])
def test_the_cost_volume_is_that_of_brute_force(rows, cols, reach):
    first, second = images(2, 2, 3, rows, cols)
    volume = correlation(first, second, reach)
    span = 2 * reach + 1
    expected = torch.zeros(2, span**2, rows, cols)
    for dy, dx in itertools.product(range(-reach, reach + 1), repeat=2):
        for y, x in itertools.product(range(rows), range(cols)):
            if 0 <= y + dy < rows and 0 <= x + dx < cols:
                channel = (dy + reach) * span + dx + reach
                expected[:, channel, y, x] = (first[:, :, y, x] * second[:, :, y + dy, x + dx]).mean(1)
    assert torch.allclose(volume, expected, atol=1e-6)


def test_the_gradient_of_the_cost_volume_is_that_of_finite_differences():
    first, second = (each.double().requires_grad_() for each in images(2, 1, 2, 4, 5))
    assert torch.autograd.gradcheck(lambda a, b: correlation(a, b, 1), (first, second))


def test_warped_features_are_those_at_the_end_of_the_flow_and_nothing_outside():
    (features,) = images(1, 1, 3, 8, 10)
    flow = torch.zeros(1, 2, 8, 10)
    flow[:, 0], flow[:, 1] = 2, -1
    warped = warp_features(features, flow)
    assert torch.allclose(warped[..., 1:, :-2], features[..., :-1, 2:], atol=1e-5)
    assert not warped[..., 0, :].any()
    assert not warped[..., -2:].any()
    half = warp_features(features, torch.full((1, 2, 8, 10), 0.5))
    square = features[..., :-1, :-1] + features[..., 1:, :-1] + features[..., :-1, 1:] + features[..., 1:, 1:]
    assert torch.allclose(half[..., :-1, :-1], square / 4, atol=1e-5)


def test_no_flow_leaves_features_as_they_are_to_the_last_pixel():
    (features,) = images(1, 2, 3, 7, 5)
    assert torch.allclose(warp_features(features, torch.zeros(2, 2, 7, 5)), features, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "millions"), [(FlowNetS, 38.7), (PWCNet, 9.4), (PWCNetMultimodal, 7.6), (RecurrentFlow, 0.948)]
)
def test_learnable_numbers_are_as_many_as_the_papers_say(network, millions):
    whole = network()
    head = sum(each.numel() for each in whole.confidence.parameters())
    found = sum(each.numel() for each in whole.parameters())
    assert (found - head) / 1e6 == pytest.approx(millions, rel=0.01)
    assert head < 0.25e6


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("rows", "cols"), [(64, 64), (33, 47), (70, 5)])
def test_flow_and_logit_have_the_size_of_the_images(name, rows, cols):
    flow, logit, steps = made(name).eval()(*images(2, 2, 1, rows, cols))
    assert (flow.shape, logit.shape) == ((2, 2, rows, cols), (2, 1, rows, cols))
    assert torch.isfinite(flow).all()
    assert all(step.flow.shape[-2] * step.stride >= rows for step in steps)


@pytest.mark.parametrize("name", SMALL)
def test_the_first_flow_of_an_untrained_network_is_small(name):
    flow = made(name).eval()(*images(2, 1, 1, 64, 64)).flow
    matched = 2.0 * STRIDE_PX if name == "recurrent-flow" else 0.0  # it begins where noise happens to match
    assert flow.abs().mean() < 2 + matched


@pytest.mark.parametrize("name", TWINNED)
def test_the_encoders_of_two_sensors_start_alike_and_may_part(name):
    encoders = made(name).encoders.encoders
    for one, other in zip(encoders[0].parameters(), encoders[1].parameters(), strict=True):
        assert torch.equal(one, other)
        assert one is not other


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name):
    network = made(name).train()
    estimate = network(*images(2, 1, 1, 64, 64))
    total = estimate.logit.square().mean() + sum(step.flow.square().mean() for step in estimate.steps)
    total.backward()
    silent = [key for key, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    second_sensor = [key for key in silent if "encoders.encoders.1.context" in key]  # the reference alone gives context
    assert silent == second_sensor


@pytest.mark.parametrize("name", TWINNED)
def test_twins_answer_as_pairs_of_their_own(name):
    network = made(name).eval()
    reference, moving, reference_twin, moving_twin = images(4, 2, 1, 40, 40)
    together = network(reference, moving, reference_twin, moving_twin).flow
    apart = [
        network(reference, moving).flow,
        network(reference_twin, moving, sensors=(1, 1)).flow,
        network(reference, moving_twin, sensors=(0, 0)).flow,
    ]
    assert torch.allclose(together, torch.cat(apart), atol=1e-4)


@pytest.mark.parametrize("name", TWINNED)
def test_the_encoders_of_two_sensors_have_weights_of_their_own(name):
    network = made(name).eval()
    pair = images(2, 1, 1, 40, 40)
    before = network(*pair).flow
    for each in network.encoders.encoders[1].parameters():
        each.data.mul_(1.5)
    assert not torch.equal(network(*pair).flow, before)
    assert torch.equal(network(*pair, sensors=(0, 0)).flow, network(*pair, sensors=(0, 2)).flow)


@pytest.mark.parametrize("top", [6, 5])
def test_a_constant_flow_is_recovered_at_every_level(top):
    """METHODS of the article lack a level: the factors of the warps must stay with the levels that are left."""
    network = PWCNet(width=0.25, top=top, normalised=True).eval()
    moved = (8.0, -4.0)
    for index, estimator in enumerate(network.estimators):
        estimator.forward = _says(moved if index == 0 else (0.0, 0.0), estimator)
    network.context.forward = lambda features: features.new_zeros(len(features), 2, *features.shape[-2:])
    warps = []
    network._cost = lambda first, second: warps.append(second) or first.new_zeros(len(first), 81, *first.shape[-2:])
    large = images(1, 1, 1, 256, 256)[0]
    reference = torch.roll(large, (4, -8), (2, 3))  # what lies at x in the reference lies at x + (8, -4) in moving
    estimate = network(reference, large)
    assert [step.stride for step in estimate.steps] == [2**level for level in range(top, 1, -1)]
    for step in estimate.steps:
        assert torch.allclose(step.flow, torch.tensor(moved)[None, :, None, None].expand_as(step.flow), atol=1e-4)
    features = network.encoders.encoders[0](reference)
    inner = features[1][..., 16:-16, 16:-16]  # level 2 is shifted by whole pixels: equal but for the borders
    assert torch.allclose(warps[-1][..., 16:-16, 16:-16], inner, atol=1e-3)


def _says(flow_px, estimator):
    channels = estimator.flow.in_channels

    def forward(seen):
        flow = torch.tensor(flow_px)[None, :, None, None] / 20
        shape = seen.shape[-2:]
        return flow.expand(len(seen), 2, *shape), seen.new_zeros(len(seen), channels, *shape)

    return forward


def test_the_factors_of_the_warps_are_those_of_the_paper():
    assert [PWCNet.pixels_per_unit(level) for level in (5, 4, 3, 2)] == [0.625, 1.25, 2.5, 5.0]


def test_a_lookup_reads_the_cost_of_the_running_flow():
    first, second = (unit_length(each) for each in images(2, 1, 8, 24, 24))
    flow = torch.zeros(1, 2, 24, 24)
    flow[:, 0], flow[:, 1] = 2.0, -3.0
    centre = looked_up(_volumes(correlation(first, second, REACH)), flow)[:, 24]  # the middle of seven by seven
    expected = (first[..., 8:16, 8:16] * second[..., 5:13, 10:18]).mean(1)
    assert torch.allclose(centre[:, 8:16, 8:16], expected, atol=1e-5)
    beyond = looked_up(_volumes(correlation(first, second, REACH)), torch.full_like(flow, 3.0 * REACH))
    assert not beyond.any()


def test_the_recurrence_starts_where_the_features_match():
    first = unit_length(images(1, 1, 16, 24, 24)[0])
    moved = torch.roll(first, (-3, 2), (2, 3))  # found again two columns to the right and three rows up
    flow = _matched(correlation(first, moved, REACH), torch.tensor(50.0))
    expected = torch.tensor([2.0, -3.0])[None, :, None, None].expand(1, 2, 8, 8)
    assert torch.allclose(flow[..., 8:16, 8:16], expected, atol=1e-3)


def test_convex_upsampling_keeps_a_constant_flow_and_counts_it_in_full_pixels():
    network = made("recurrent-flow").eval()
    flow = torch.full((1, 2, 5, 6), 0.75)
    logits = torch.randn(1, 9 * STRIDE_PX**2, 5, 6)
    assert network.stride_px == STRIDE_PX
    assert torch.allclose(_convex(flow, logits), torch.full((1, 2, 20, 24), 3.0), atol=1e-5)


def test_convex_upsampling_puts_each_pixel_where_it_belongs():
    flow = torch.arange(6.0).reshape(1, 1, 1, 6).expand(1, 2, 5, 6)
    logits = torch.full((1, 9, STRIDE_PX, STRIDE_PX, 5, 6), -math.inf)
    logits[:, 4] = 0  # the middle one of nine
    large = _convex(flow, logits.reshape(1, -1, 5, 6))
    assert torch.equal(large[0, 0, 0], 4 * torch.arange(6.0).repeat_interleave(4))


BEGUN = {
    "flownet-s": lambda: BegunFlow(FlowNetS(6, width=0.125), 3),
    "pwc-net": lambda: PWCNet(3, width=0.25, matched=True),
    "pwc-net-multimodal": lambda: PWCNetMultimodal(3, width=0.25, top=3, matched=True, normalised=True),
}


@pytest.mark.parametrize("name", BEGUN)
def test_a_network_that_begins_at_matched_windows_finds_a_shift_before_it_learns(name):
    torch.manual_seed(0)
    network = BEGUN[name]().eval()
    large = F.avg_pool2d(images(1, 1, 3, 132, 132)[0], 5, 1)
    estimate = network(large[..., 6:-6, 6:-6], large[..., 2:-10, 10:-2])  # x in the first lies at x - (4, -4)
    begun = estimate.steps[0]
    inner = np.s_[..., 4:-4, 4:-4]
    expected = torch.tensor([-4.0, 4.0])[None, :, None, None]
    assert begun.stride == MATCHED_STRIDE_PX
    assert (begun.flow[inner] - expected).abs().mean() < 0.3
    assert (estimate.flow[..., 32:-32, 32:-32] - expected).abs().mean() < 0.6
    assert all(step.flow.shape[-1] * step.stride >= 116 for step in estimate.steps)


@pytest.mark.parametrize("name", BEGUN)
def test_what_windows_compare_is_learnt_from_the_flow(name):
    torch.manual_seed(0)
    network = BEGUN[name]().train()
    network(*images(2, 1, 3, 64, 64)).flow.square().mean().backward()
    windows = {key: each.grad for key, each in network.named_parameters() if "windows.last" in key}
    assert len(windows) >= 2
    assert all(each is not None and each.any() for each in windows.values())


def test_windows_outside_of_the_image_are_never_the_best():
    flat = torch.zeros(1, 2, 32, 32)
    flow = MatchedStart()(flat, flat)
    assert flow[..., 4, 4].abs().max() < 0.1  # the middle sees all displacements alike
    assert (flow[0, 0, :, 0] > 1).all()  # at the border, those inside alone
