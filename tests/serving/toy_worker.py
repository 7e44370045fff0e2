"""A real worker process whose task is the toy: `python tests/serving/toy_worker.py`, as `serving.jobs.worker`.

A tile takes `TOY_TILE_S` seconds. Scenes above 1 in their first pixel are poison: their first tile kills the process.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from serving.jobs import setup, worker
from tests.deployment.toy import CODE, Difference, use_toy

TILE_S = float(os.environ.get("TOY_TILE_S", "0"))
GRACE_S = float(os.environ.get("TOY_GRACE_S", "20"))
predict, patience = Difference.predict, setup.Patience


def slow(self, scenes):
    if scenes["before"].array.flat[0] > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if max(scenes["before"].grid.shape) > 100:  # no golden request
        time.sleep(TILE_S)
    return predict(self, scenes)


if __name__ == "__main__":
    patch = pytest.MonkeyPatch()
    use_toy(patch)
    patch.setattr(setup, "code_digest", lambda task, folder: CODE)
    patch.setattr(setup, "Patience", lambda idle_s, wall_s: patience(idle_s, wall_s, GRACE_S))
    patch.setattr(Difference, "predict", slow)
    worker.main()
