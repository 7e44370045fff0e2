"""Tiles through a network, several at a time: on a GPU where there is one, within whatever memory it has."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.inference.method import Arguments, Batched

logger = logging.getLogger(__name__)
GPU_BATCH, CPU_BATCH = 8, 1  # on a CPU one tile fills all cores, and more only take memory


@dataclass(frozen=True)
class Started:
    """A batch under way; on a GPU, ``done`` tells when its answer has arrived here."""

    answer: Tensor
    done: torch.cuda.Event | None = None

    def finish(self) -> list[NDArray[Any]]:
        """The answer to each tile, (K, rows, cols) float32."""
        if self.done:
            self.done.synchronize()
        return list(self.answer.cpu().numpy())


class Compute:
    """A network on its device, in evaluation mode and with channels last, the layout that convolutions like best.

    On a GPU: 16-bit arithmetic where it is safe (autocast), pinned copies, and the next batch is on its way while
    one is computed. A batch that does not fit into the memory of the device is halved, for all that follow too.
    """

    def __init__(self, method: Batched, batch: int | None = None) -> None:
        self._method = method
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._copies = torch.cuda.Stream() if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.batch = batch or (GPU_BATCH if self._copies else CPU_BATCH)
        method.module.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @property
    def ahead(self) -> int:
        """Batches that are started before the first of them is fetched: a GPU computes while we go on."""
        return 1 if self._copies else 0

    def start(self, group: Sequence[Arguments]) -> Started:
        """The tiles of one size under way; several are stacked.

        Raises:
            torch.OutOfMemoryError: if not even one tile fits into the memory of the device.
        """
        answer = self._computed(self._sent(group))
        if not self._copies:
            return Started(answer.float())
        host = torch.empty(answer.shape, dtype=torch.float32, pin_memory=True)
        host.copy_(answer, non_blocking=True)
        return Started(host, torch.cuda.current_stream().record_event())

    def _sent(self, group: Sequence[Arguments]) -> tuple[Tensor, ...]:
        stacked = (np.stack(each) if len(each) > 1 else each[0][None] for each in zip(*group, strict=True))
        tensors = [torch.from_numpy(each) for each in stacked]
        if self._copies:
            with torch.cuda.stream(self._copies):
                tensors = [each.pin_memory().to(self.device, non_blocking=True) for each in tensors]
            torch.cuda.current_stream().wait_stream(self._copies)
            for each in tensors:
                each.record_stream(torch.cuda.current_stream())
        return tuple(each.contiguous(memory_format=torch.channels_last) for each in tensors)

    def _computed(self, arguments: tuple[Tensor, ...]) -> Tensor:
        count = len(arguments[0])
        try:
            with torch.inference_mode(), self.precision():
                return torch.cat([self._method.compute(part) for part in _parts(arguments, self.batch)])
        except torch.OutOfMemoryError:
            if min(count, self.batch) == 1:
                raise
            self.batch = min(count, self.batch) // 2
            logger.warning("out of memory on %s: going on with batches of %d", self.device, self.batch)
        torch.cuda.empty_cache()  # outside the except block: the traceback holds tensors
        return self._computed(arguments)

    def precision(self) -> AbstractContextManager[None]:
        """16-bit arithmetic where it is safe, on a GPU; on a CPU everything stays as it is."""
        return torch.autocast("cuda", torch.float16) if self._copies else nullcontext()


def _parts(arguments: tuple[Tensor, ...], size: int) -> Iterator[tuple[Tensor, ...]]:
    for first in range(0, len(arguments[0]), size):
        yield tuple(each[first : first + size] for each in arguments)
