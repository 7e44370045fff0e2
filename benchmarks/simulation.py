"""The sandbox territory: how fast one core makes pairs (all ten bands, both dates)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

ROUNDS = 3
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# In a process of its own, so that its threads are held to one core from the start. Seconds of that core
# (user and system), not of the clock on the wall: what else runs on the machine is not measured.
PROGRAM = """
import os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from components.simulation.optical import optical_pair
side, rounds = int(sys.argv[1]), int(sys.argv[2])
best = float("inf")
for seed in range(rounds + 1):  # the first one warms up
    began = time.process_time()
    optical_pair(seed, (side, side))
    if seed:
        best = min(best, time.process_time() - began)
print(best)
"""


def measure() -> list[dict[str, Any]]:
    """Two rows: megapixels a second for a large pair, seconds for the small one that tests use."""
    large, small = _seconds(1024), _seconds(256)
    return [
        {
            "name": "sandbox pair of 1024 x 1024, one core",
            "value": 1024**2 / 1e6 / large,
            "limit": 0.3,
            "unit": "Mpx/s",
        },
        {
            "name": "sandbox pair of 256 x 256, one core",
            "value": small,
            "limit": 0.5,
            "unit": "s",
            "less_is_better": True,
        },
    ]


def _seconds(side: int) -> float:
    command = [sys.executable, "-c", PROGRAM, str(side), str(ROUNDS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    return float(done.stdout)
