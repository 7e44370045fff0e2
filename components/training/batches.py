"""Batches in an order that is a pure function of seed and step, loaded one step ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from components.errors import NotEnoughData
from components.tasks.seam import Batch, Sample, Samples

AHEAD = 2  # batches kept ready: one for a slow read, one for the next step


@dataclass(frozen=True)
class Order:
    """Which samples each step sees: endless shuffled passes over ``count`` samples.

    Every sample is seen once before any is seen twice. No state: step 7 is the same whether or not
    steps 0 to 6 were run in this process. Of ``world`` devices, each takes its own share of a batch.

    Raises:
        NotEnoughData: if there is no sample.
    """

    count: int
    batch: int
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise NotEnoughData("the training split holds no sample; look at the run's split and crops")

    def __call__(self, step: int) -> list[int]:
        """Sample indices of one step on this device."""
        draws = range(step * self.batch, (step + 1) * self.batch)
        passes = {number: self._pass(number) for number in {draw // self.count for draw in draws}}
        return [int(passes[draw // self.count][draw % self.count]) for draw in draws][self.rank :: self.world]

    def _pass(self, number: int) -> Sequence[int]:
        return np.random.default_rng((self.seed, number)).permutation(self.count).tolist()  # type: ignore[no-any-return]


def batches(
    samples: Samples, collate: Callable[[Sequence[Sample]], Batch], order: Order, steps: range
) -> Generator[Batch]:
    """The batches of ``steps``, each collated in a thread while the step before it is computed."""

    def load(step: int) -> Batch:
        return collate([samples[index] for index in order(step)])

    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        try:
            for step in steps:
                waiting.append(pool.submit(load, step))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
