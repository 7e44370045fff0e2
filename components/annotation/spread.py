"""Many sources summarised by two processes, in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from typing import TypeVar

from components.raster.dataset import Source
from components.raster.handles import block_cache

T = TypeVar("T")

MANY = 400  # sources from which a second process is worth its start
PROCESSES = 2
BATCH = 32
CACHE_BYTES = 16 * 1024**2  # of decoded blocks in each process: every file is read once
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read when a process loads its library
_of_this_process = ExitStack()


def over_sources(work: Callable[[Source], T], sources: Sequence[Source]) -> Iterator[T]:
    """``work`` of every source in order; by two processes where there are 400 sources or more.

    Raises:
        Exception: whatever ``work`` raises.
    """
    processes = min(PROCESSES, os.cpu_count() or 1)
    if len(sources) < MANY or processes == 1:
        yield from map(work, sources)
        return
    # a fresh process: a forked one would share open files and locks with this one
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin)
    try:
        with _one_thread_each():  # the processes start with the first batch
            found = pool.map(work, sources, chunksize=BATCH)
        yield from found
    finally:  # on Ctrl-C, too: batches that nobody waits for any more are not begun
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile do linear algebra in one thread: each has a core, and threads that wait burn it."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin() -> None:
    _of_this_process.enter_context(block_cache(CACHE_BYTES))
