"""A prediction that ran out of memory: one request's failure, never the process's."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from serving.errors import OutOfMemory
from serving.metrics import shared
from serving.slots import Slots

logger = logging.getLogger(__name__)


@contextmanager
def memory_watched(run: str, slots: Slots) -> Iterator[None]:
    """Within it, lack of memory on device or host becomes an answer to try again.

    What the failed prediction held is given back, and the version is asked its golden request again: one that no
    longer answers leaves service and says so, rather than failing request after request.

    Raises:
        OutOfMemory: instead of torch's or Python's own error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        failure = OutOfMemory(f"{run}: no memory left for this prediction; send a smaller window, or try again soon")
        logger.warning("%s ran out of memory: %s", run, type(error).__name__)
        traceback.clear_frames(error.__traceback__)  # their variables are what fills the memory
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    shared().out_of_memory.labels(run).inc()
    slots.doubt(run)
    raise failure
