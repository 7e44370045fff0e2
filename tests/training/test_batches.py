from collections import Counter
from contextlib import closing
from threading import active_count

import pytest

from components.errors import NotEnoughData
from components.training.batches import Order, batches
from tests.training.tiny import Lines


def test_every_sample_is_seen_once_before_any_is_seen_twice():
    order = Order(count=10, batch=4, seed=1)
    seen = [index for step in range(5) for index in order(step)]
    assert Counter(seen) == dict.fromkeys(range(10), 2)
    assert sorted(seen[:10]) == list(range(10))


def test_a_batch_may_be_larger_than_the_number_of_samples():
    assert Counter(Order(count=3, batch=7, seed=1)(0)).total() == 7


def test_the_order_of_a_step_needs_no_memory_of_earlier_steps():
    assert Order(10, 4, seed=1)(3) == [Order(10, 4, seed=1)(step) for step in range(4)][3]


def test_seeds_give_different_orders():
    assert Order(10, 10, seed=1)(0) != Order(10, 10, seed=2)(0)


def test_devices_share_a_batch_without_overlap():
    whole = Order(20, 6, seed=1)(2)
    shares = [Order(20, 6, seed=1, rank=rank, world=3)(2) for rank in range(3)]
    assert sorted(index for share in shares for index in share) == sorted(whole)


def test_no_sample_is_an_error_that_names_the_split():
    with pytest.raises(NotEnoughData, match="training split"):
        Order(0, 4, seed=1)


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_batches_come_in_the_order_of_the_steps(steps):
    samples, order = Lines(10), Order(10, 4, seed=1)
    loaded = list(batches(samples, lambda group: [sample.id for sample in group], order, range(3, 3 + steps)))
    assert loaded == [[f"s{index}" for index in order(step)] for step in range(3, 3 + steps)]


def test_an_error_while_loading_reaches_the_training():
    def broken(group):
        raise ValueError("torn chip")

    with pytest.raises(ValueError, match="torn chip"):
        next(batches(Lines(10), broken, Order(10, 4, seed=1), range(3)))


def test_loading_ends_when_training_does():
    before = active_count()
    with closing(batches(Lines(10), list, Order(10, 4, seed=1), range(100))) as loaded:
        next(loaded)
    assert active_count() == before
