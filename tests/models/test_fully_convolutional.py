"""FC-EF, FC-Siam-conc, FC-Siam-diff, FC-EF-Res and the small U-Net: sizes, counts, symmetry, reach."""

import pytest
import torch

from models import fully_convolutional_residual as residual
from models import fully_convolutional_siamese as siamese
from models import index_unet
from models.fully_convolutional_residual import FCEFRes
from models.fully_convolutional_siamese import FCEF, FCSiamConc, FCSiamDiff

NETWORKS = [FCEF, FCSiamConc, FCSiamDiff, FCEFRes]


def pair(rows, cols, bands=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, 1, bands, rows, cols), generator=generator).unbind()


@pytest.mark.parametrize(
    ("bands", "counts"),
    [(3, (1_350_578, 1_545_986, 1_350_146, 1_103_874)), (13, (1_353_458, 1_547_426, 1_351_586, 1_105_474))],
)
def test_learnable_numbers_are_those_of_the_paper(bands, counts):
    found = tuple(sum(each.numel() for each in network(bands, 2).parameters()) for network in NETWORKS)
    assert found == counts


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("rows", "cols"), [(16, 16), (33, 47), (50, 31)])
def test_output_has_the_size_of_the_input_and_holds_log_probabilities(network, rows, cols):
    logs = network(3, 4).eval()(*pair(rows, cols))
    assert logs.shape == (1, 4, rows, cols)
    assert torch.allclose(logs.exp().sum(1), torch.ones(1, rows, cols), atol=1e-5)


def test_difference_skips_ignore_the_order_of_the_dates_but_the_answer_does_not():
    torch.manual_seed(0)
    network = FCSiamDiff(3, 2)
    before, after = pair(32, 32)
    for norm in (each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0  # statistics of its own at once: signals of a fresh network die out in sixteen layers
    network(before, after)
    network.eval()
    for one, other in zip(network.skips(before, after), network.skips(after, before), strict=True):
        assert torch.equal(one, other)
    assert not torch.allclose(network(before, after), network(after, before), atol=1e-6)


def test_symmetric_variant_ignores_the_order_of_the_dates_at_no_cost():
    torch.manual_seed(0)
    network = FCSiamDiff(3, 2, symmetric=True).eval()
    before, after = pair(32, 32)
    assert torch.equal(network(before, after), network(after, before))
    assert sum(each.numel() for each in network.parameters()) == 1_350_146


@pytest.mark.parametrize("network", [FCSiamConc, FCSiamDiff])
def test_bottleneck_comes_from_the_second_date_only(network):
    torch.manual_seed(0)
    made, seen = network(3, 2).eval(), []
    made.decoder.register_forward_hook(lambda _module, given, _answer: seen.append(given[0]))
    before, after = pair(32, 32)
    made(before, after)
    made(before + 1, after)
    assert torch.equal(seen[0], seen[1])


def reach_px(network, arguments):
    """Farthest pixel, up or down, that some output of one column still depends on."""
    farthest = 0
    for centre in (240, 246, 247, 255):  # alignments to pooling windows; all sixteen give the same farthest
        images = [torch.randn((1, 1, 480, 16), requires_grad=True) for _ in range(arguments)]
        network(*images)[0, 0, centre, 8].backward()
        rows = torch.stack([image.grad.abs().sum((0, 1, 3)) for image in images]).sum(0).nonzero()
        farthest = max(farthest, centre - int(rows.min()), int(rows.max()) - centre)
    return farthest


@pytest.mark.parametrize(
    ("network", "arguments", "stated"),
    [
        (FCEF(1, 2), 2, siamese.RECEPTIVE_PX),
        (FCEFRes(1, 2), 2, residual.RECEPTIVE_PX),
        (index_unet.IndexUNet(1, 2), 1, index_unet.RECEPTIVE_PX),
    ],
)
def test_no_pixel_beyond_the_stated_reach_counts(network, arguments, stated):
    torch.manual_seed(0)
    assert stated - 12 <= reach_px(network.eval(), arguments) <= stated


@pytest.mark.parametrize("side", [8, 21, 40])
def test_small_unet_answers_on_the_grid_of_its_input(side):
    logs = index_unet.IndexUNet(6, 2, width=4).eval()(torch.randn(1, 6, side, side))
    assert logs.shape == (1, 2, side, side)
