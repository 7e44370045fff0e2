"""The despeckling network: its size, its receptive field, and that it starts as the identity."""

import pytest
import torch

from models.dilated_residual import RECEPTIVE_PX, DilatedResidual


def awake(bands=1, width=8):
    torch.manual_seed(0)
    network = DilatedResidual(bands, width)
    torch.nn.init.normal_(network.layers[-1].weight)
    return network.eval()


@pytest.mark.parametrize(("bands", "numbers"), [(1, 185_857), (2, 187_010)])
def test_it_has_seven_layers_of_64_channels_and_as_many_numbers_as_counted_by_hand(bands, numbers):
    assert numbers == 9 * 64 * bands + 64 + 5 * (9 * 64 * 64 + 64) + 9 * 64 * bands + bands
    assert sum(each.numel() for each in DilatedResidual(bands).parameters()) == numbers


def test_it_starts_as_the_identity_and_takes_any_size():
    for shape in ((1, 1, 1, 1), (2, 1, 7, 33)):
        x = torch.randn(shape)
        assert torch.equal(DilatedResidual(1, 4)(x), x)


def test_its_receptive_field_is_33_pixels_wide():
    x = torch.randn(1, 1, 49, 49, requires_grad=True)
    awake()(x)[0, 0, 24, 24].backward()
    rows, cols = torch.nonzero(x.grad[0, 0], as_tuple=True)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (8, 40, 8, 40)
    assert RECEPTIVE_PX == 16


def test_every_layer_and_skip_counts():
    network = awake()
    network(torch.randn(1, 1, 20, 20)).square().mean().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in network.parameters())
