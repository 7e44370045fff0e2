"""What Prefect costs: a whole lifecycle in a clone of the project, and how much of it no task was at work.

Work is what the tasks did inside their own processes (checkouts, stages, scoring, release). Everything else of the
flow run is overhead: from the moment it was asked for, over its pick-up by the two agents and the start of their
processes, to its last state. The data of recorded stages is taken from the project's DVC cache where it is there, so
that the work is short and the limit that counts is the one in seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from components.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
RUN = "change-sandbox"
WAITING = "train on the gpu pool"  # this task only waits for a flow run on the other pool
MOST = 200


def measure() -> list[dict[str, Any]]:
    """Two rows: seconds beside the work, and how many tasks there were."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "swath"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        cache = ROOT / ".dvc" / "cache"
        if cache.is_dir():
            (clone / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n")
        _swath(clone, "up", "--detach")
        try:
            _swath(clone, "lifecycle", RUN)
            overhead_s, work_s, tasks = _spent(load_settings(clone).prefect_api_url)
        finally:
            _swath(clone, "down")
    return [
        {
            "name": f"lifecycle: seconds beside the work ({work_s:.0f} s)",
            "value": overhead_s,
            "limit": max(60.0, 0.05 * work_s),
            "unit": "s",
            "less_is_better": True,
        },
        {"name": "lifecycle: task runs", "value": tasks, "limit": 30, "unit": "tasks", "less_is_better": True},
    ]


def _swath(clone: Path, *arguments: str) -> None:
    env = {**os.environ, "SWATH_PROJECT": str(clone), "PYTHONPATH": str(clone)}
    subprocess.run([sys.executable, "-m", "flows.cli", *arguments], cwd=clone, env=env, check=True, stdout=sys.stderr)


def _spent(api: str) -> tuple[float, float, int]:
    """Seconds beside the work and of the work, and the number of task runs, of the only lifecycle of a server."""
    flows = httpx.post(f"{api}/flow_runs/filter", json={"limit": MOST}).raise_for_status().json()
    tasks = httpx.post(f"{api}/task_runs/filter", json={"limit": MOST}).raise_for_status().json()
    asked = min(_time(run["created"]) for run in flows)
    whole = (max(_time(run["end_time"]) for run in flows) - asked).total_seconds()
    parents = {run["parent_task_run_id"] for run in flows}  # stand for a flow run that another one waits for
    leaves = [task for task in tasks if task["id"] not in parents and not task["name"].startswith(WAITING)]
    work = sum(float(task["total_run_time"]) for task in leaves)
    return whole - work, work, len(tasks)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
