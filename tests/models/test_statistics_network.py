"""The network on statistics of series: its size and how far it sees."""

import torch

from models.statistics_network import RECEPTIVE_PX, StatisticsNetwork


def test_it_has_as_many_numbers_as_counted_by_hand_and_takes_any_size():
    network = StatisticsNetwork(15, 24)
    assert sum(each.numel() for each in network.parameters()) == (9 * 15 + 1) * 24 + 3 * (9 * 24 + 1) * 24 + 24 + 1
    for shape in ((1, 1), (7, 33)):
        assert network(torch.randn(2, 15, *shape)).shape == (2, 1, *shape)


def test_no_pixel_beyond_its_receptive_field_counts():
    torch.manual_seed(0)
    x = torch.randn(1, 3, 41, 41, requires_grad=True)
    StatisticsNetwork(3, 16)(x)[0, 0, 20, 20].backward()
    rows, cols = torch.nonzero(x.grad[0].abs().sum(0), as_tuple=True)
    reach = max(20 - rows.min(), rows.max() - 20, 20 - cols.min(), cols.max() - 20)
    assert reach == RECEPTIVE_PX
