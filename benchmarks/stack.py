"""The embedded stack: seconds until ready, and memory when idle (proportional set size)."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from components.settings import load_settings
from flows.commands.stack import total_memory_mb
from flows.stack.state import read_state

IDLE_S = 20.0


def measure() -> list[dict[str, Any]]:
    """Two rows; a stack that is up already is refused, since it could not be timed."""
    home = load_settings().home
    if read_state(home):
        raise SystemExit("stop the stack first (`swath down`): the benchmark times its start")
    swath = [sys.executable, "-m", "flows.cli"]
    began = time.monotonic()
    subprocess.run([*swath, "up", "--detach"], check=True, stdout=sys.stderr)
    seconds = time.monotonic() - began
    try:
        time.sleep(IDLE_S)
        state = read_state(home)
        memory = total_memory_mb(state) if state else float("nan")
    finally:
        subprocess.run([*swath, "down"], check=True, stdout=sys.stderr)
    return [
        {"name": "`swath up` until ready", "value": seconds, "limit": 45.0, "unit": "s", "less_is_better": True},
        {"name": "idle stack, memory", "value": memory, "limit": 1500.0, "unit": "MB", "less_is_better": True},
    ]
