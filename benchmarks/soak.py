"""A quarter of an hour of mixed load on a real service that is killed three times: no lost job, no growing memory.

Predictions, jobs, hostile files, bodies that are too large and questions for states arrive without a pause. In the
first minutes the service (supervisor, worker, decoders) is ended by SIGKILL three times and started again. Afterwards
memory (proportional set size of the service with everything it started, and the job worker) is looked at until the
end; its slope is that of a straight line through what was seen after the warm-up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.serving import is_ready, pair, prepared, until

SOAK_S, KILLS_S, WARM_S = 900.0, (60.0, 110.0, 160.0), 360.0
LOOK_S, JOB_EVERY_S, HOSTILE_EVERY_S, LARGE_EVERY_S, ASK_EVERY_S = 10.0, 5.0, 7.0, 31.0, 0.5
CAP_MB = 16
REQUEST = {"X-Request-Id": "soak"}  # one name for all: then equal jobs have equal results


@dataclass
class Soak:
    """What was asked and what came of it; callers run in threads."""

    url: str
    files: dict[str, bytes]
    over: threading.Event = field(default_factory=threading.Event)
    down: threading.Event = field(default_factory=threading.Event)
    answers: Counter[str] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)

    def every(self, seconds: float, ask: Callable[[httpx.Client], None]) -> threading.Thread:
        """A caller that asks once in so many seconds; a service that is being killed cuts its connections."""

        def call() -> None:
            with httpx.Client(base_url=self.url, timeout=60) as client:
                while not self.over.wait(seconds):
                    try:
                        ask(client)
                    except httpx.HTTPError:
                        self.answers["cut off" if self.down.is_set() else "cut off without a kill"] += 1

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        return thread

    def predict(self, client: httpx.Client) -> None:
        """A prediction; it must be answered, or refused for a full queue."""
        self._expect("predict", client.post("/change", files=self.files, headers=REQUEST), {200, 429, 503})

    def submit(self, client: httpx.Client) -> None:
        """A job; once it is accepted it must be done some day."""
        answer = client.post("/jobs", files=self.files, data={"task": "change"}, headers=REQUEST)
        self._expect("job", answer, {202, 429, 503})
        if answer.status_code == 202:
            self.jobs.append(answer.json()["id"])

    def attack(self, client: httpx.Client) -> None:
        """Bytes that are no raster, or only the beginning of one."""
        before = self.files["before"]
        for bad in (b"<VRTDataset/>", before[:200], before[: len(before) // 2]):
            files = {**self.files, "before": bad}
            self._expect("hostile", client.post("/change", files=files), {400, 422, 429, 503})

    def overfill(self, client: httpx.Client) -> None:
        """A body above the cap, without saying so beforehand."""
        head = b'--x\r\nContent-Disposition: form-data; name="before"; filename="b.tif"\r\n\r\n'
        blocks = (head, *(b"0" * 2**20 for _ in range(2 * CAP_MB)))
        try:
            answer = client.post(
                "/change", content=iter(blocks), headers={"Content-Type": "multipart/form-data; boundary=x"}
            )
        except httpx.WriteError:  # refused before it was all sent
            self.answers["large ok"] += 1
        else:
            self._expect("large", answer, {413, 429, 503})

    def look(self, client: httpx.Client) -> None:
        """States and metrics."""
        for path in ("/models", "/metrics", "/livez", "/openapi.json"):
            self._expect("look", client.get(path), {200, 503})

    def _expect(self, what: str, answer: httpx.Response, allowed: set[int]) -> None:
        good = answer.status_code in allowed
        self.answers[f"{what} ok" if good else f"{what} answered {answer.status_code}"] += 1


def measure() -> list[dict[str, Any]]:
    """Rows: slope of memory, jobs lost, different results of equal jobs, answers that should not have been."""
    with tempfile.TemporaryDirectory(prefix="swath-soak-") as name:
        folder = Path(name)
        with prepared(folder, SWATH_MAX_BODY_MB=CAP_MB, SWATH_JOBS_LEASE_S=5) as (url, start):
            soak = Soak(url, pair(folder))
            callers, samples = _asked(soak, start)
            lost, digests = _ended(soak)
            soak.over.set()
            for caller in callers:
                caller.join(60)
            _kill(samples.process)
    sys.stderr.write(f"{dict(soak.answers)}, {len(soak.jobs)} jobs\n")
    wrong = sum(count for what, count in soak.answers.items() if not what.endswith(("ok", "cut off")))
    return [
        _row("slope of memory after warm-up", samples.slope_mb_a_minute, 1.0, "MB/minute"),
        _row(f"jobs lost, of {len(soak.jobs)} beside 3 SIGKILLs", float(lost), 0.0, "jobs"),
        _row("different results of equal jobs", float(max(len(digests) - 1, 0)), 0.0, "results"),
        _row(f"answers that should not be, of {sum(soak.answers.values())}", float(wrong), 0.0, "answers"),
    ]


@dataclass
class Samples:
    """Memory over time, of the service that runs last."""

    process: subprocess.Popen[bytes]
    seconds: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    @property
    def slope_mb_a_minute(self) -> float:
        """Of a straight line through all samples."""
        return float(np.polyfit(np.array(self.seconds) / 60, self.mb, 1)[0])


def _asked(soak: Soak, start: Callable[[], subprocess.Popen[bytes]]) -> tuple[list[threading.Thread], Samples]:
    samples, began, kills = Samples(start()), time.monotonic(), list(KILLS_S)
    until(lambda: is_ready(soak.url))
    callers = [
        soak.every(ASK_EVERY_S, soak.predict),
        soak.every(JOB_EVERY_S, soak.submit),
        soak.every(HOSTILE_EVERY_S, soak.attack),
        soak.every(LARGE_EVERY_S, soak.overfill),
        soak.every(2 * ASK_EVERY_S, soak.look),
    ]
    while (spent := time.monotonic() - began) < SOAK_S:
        if kills and spent > kills[0]:
            kills.pop(0)
            soak.down.set()
            _kill(samples.process)
            until(lambda: not is_ready(soak.url))
            samples.process = start()
            until(lambda: is_ready(soak.url))
            soak.down.clear()
        elif spent > WARM_S:
            samples.seconds.append(spent)
            samples.mb.append(_memory_mb(samples.process.pid))
            sys.stderr.write(f"{spent:.0f} s: {samples.mb[-1]:.1f} MB\n")
        time.sleep(LOOK_S)
    return callers, samples


def _ended(soak: Soak) -> tuple[int, set[str]]:
    """Jobs that were accepted and are not done, and the digests of all results."""
    digests, lost = set(), 0
    with httpx.Client(base_url=soak.url, timeout=60) as client:
        for job in list(soak.jobs):
            for _ in range(120):
                found = client.get(f"/jobs/{job}").json()
                if found["state"] in ("done", "failed", "cancelled"):
                    break
                time.sleep(1.0)
            if found["state"] == "done":
                digests.add(found["result"]["digest"])
            else:
                lost += 1
                sys.stderr.write(f"job {job}: {found}\n")
    return lost, digests


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The server and its supervisor ended at once; decoders and the job worker must notice by themselves."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for each in family:  # the server lives in a session of its own
        if any("bentoml" in word for word in each.cmdline()):
            each.kill()
    process.wait()


def _memory_mb(pid: int) -> float:
    parent = psutil.Process(pid)
    total = 0
    for each in (parent, *parent.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # ended between the two looks
    return total / 1e6


def _row(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    return {"name": f"soak: {name}", "value": value, "limit": limit, "unit": unit, "less_is_better": True}
