import pytest
import torch

from components.training.balance import GradNorm, Sum


def quadratics(scales=(1.0, 100.0)):
    """Two losses of one shared vector: distances to two targets in units a hundred times apart."""
    shared = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    def losses():
        first, second = ((shared - target).pow(2).sum() * s for target, s in zip(targets, scales, strict=True))
        return {"small": first, "large": second}

    return shared, losses


def descend(balance, shared, losses, steps, lr=0.002):
    for _ in range(steps):
        total = balance.weigh(losses())
        (gradient,) = torch.autograd.grad(total, [shared])
        shared.data -= lr * gradient
    return balance


def test_sum_counts_every_loss_once():
    assert float(Sum().weigh({"a": torch.tensor(1.5), "b": torch.tensor(2.0)})) == 3.5


def test_gradnorm_weights_sum_to_the_number_of_losses_at_every_step():
    shared, losses = quadratics()
    balance = GradNorm([shared])
    for _ in range(50):
        descend(balance, shared, losses, 1)
        assert sum(balance.weights.values()) == pytest.approx(2)


def test_gradnorm_equalises_the_gradient_norms_of_losses_in_different_units():
    shared, losses = quadratics()
    balance = descend(GradNorm([shared], alpha=0.0), shared, losses, 200, lr=0.0)
    now = losses()
    norms = {n: balance.weights[n] * float(torch.autograd.grad(now[n], [shared])[0].norm()) for n in now}
    assert norms["small"] == pytest.approx(norms["large"], rel=0.05)
    assert balance.weights["small"] == pytest.approx(150 * balance.weights["large"], rel=0.05)  # 100 times, 1.5 as far


def training_rates(balance, steps=300):
    """Relative losses left at two own parameters behind a shared one: one trains fast, one slow."""
    shared = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    speeds = torch.tensor([1.0, 6.0])
    balance = balance(shared)
    for _ in range(steps):
        losses = {"slow": speeds[0] * shared[0].pow(2), "fast": speeds[1] * shared[1].pow(2)}
        (gradient,) = torch.autograd.grad(balance.weigh(losses), [shared])
        shared.data -= 0.001 * gradient
    return float(shared[0].detach() ** 2), float(shared[1].detach() ** 2)  # losses relative to their first values


def test_gradnorm_brings_training_rates_together():
    plain, balanced = training_rates(lambda _: Sum()), training_rates(lambda shared: GradNorm([shared]))
    assert plain[0] / plain[1] > 10
    assert balanced[0] / balanced[1] < 2


def test_gradnorm_goes_on_from_its_state():
    shared, losses = quadratics()
    one = descend(GradNorm([shared]), shared, losses, 20)
    two = GradNorm([shared])
    two.restore(one.state())
    assert one.weigh(losses()).item() == two.weigh(losses()).item()
    assert one.weights == two.weights


def test_gradnorm_refuses_losses_that_come_and_go():
    shared, losses = quadratics()
    balance = descend(GradNorm([shared]), shared, losses, 1)
    with pytest.raises(ValueError, match="not those of the first step"):
        balance.weigh({"small": losses()["small"]})
