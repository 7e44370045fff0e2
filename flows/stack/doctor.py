"""What is wrong and how to mend it, a finding a line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx

from components.settings import Settings
from flows.stack.plan import POOLS
from flows.stack.state import read_state

LEAST_FREE_GB = 5
HTTP_OK = 200


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    good: bool
    text: str


def findings(settings: Settings) -> Iterator[Finding]:
    """Installation first, then the running stack."""
    yield _python()
    yield _locked(settings)
    yield _disk(settings)
    yield from _repository(settings)
    state = read_state(settings.home)
    if state is None:
        yield Finding(True, "the stack is down; `swath up` starts it")
        return
    yield _answers(f"{settings.prefect_api_url}/health", "Prefect server", "read .swath/logs/prefect.log")
    yield _answers(f"{settings.service_url}/readyz", "service", "read .swath/logs/service.log")
    yield _exposed(settings)
    for pool in POOLS:
        yield _agent(settings, pool)


def _python() -> Finding:
    good = sys.version_info[:2] >= (3, 11)
    return Finding(good, f"Python {sys.version.split()[0]}" + ("" if good else "; install Python 3.11 or later"))


def _locked(settings: Settings) -> Finding:
    lock = settings.project / "requirements.lock"
    wanted = dict(
        line.split("#")[0].strip().split("==") for line in lock.read_text().splitlines() if line and line[0] != "#"
    )
    other = [name for name, number in wanted.items() if _installed(name) != number]
    if other:
        few = ", ".join(other[:4])
        return Finding(False, f"{len(other)} packages differ from requirements.lock ({few}); run `make setup`")
    return Finding(True, f"{len(wanted)} packages as locked")


def _installed(name: str) -> str | None:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return None


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.project).free / 1e9
    good = free > LEAST_FREE_GB
    return Finding(good, f"{free:.0f} GB free" + ("" if good else "; clear `.dvc/cache` or move it"))


def _repository(settings: Settings) -> Iterator[Finding]:
    for program in ("git", "dvc"):
        command = ["git", "--version"] if program == "git" else [sys.executable, "-m", "dvc", "--version"]
        good = subprocess.run(command, capture_output=True, check=False).returncode == 0
        yield Finding(good, program if good else f"{program} does not run; install it, then `make setup`")
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=settings.project, capture_output=True, text=True, check=False
    )
    good = head.returncode == 0
    remedy = "no git commit here; runs need one: clone the project with git"
    yield Finding(good, f"commit {head.stdout.strip()}" if good else remedy)


def _answers(url: str, what: str, remedy: str) -> Finding:
    try:
        good = httpx.get(url, timeout=3.0).status_code == HTTP_OK
    except httpx.HTTPError:
        good = False
    return Finding(good, f"{what} answers" if good else f"{what} does not answer at {url}; {remedy}")


def _exposed(settings: Settings) -> Finding:
    local = all("127.0.0.1" in url for url in (settings.prefect_api_url, settings.service_url, settings.store_endpoint))
    text = "everything listens on loopback only" if local else "a service is reachable from outside; set SWATH_TOKENS"
    return Finding(local or bool(settings.tokens), text)


def _agent(settings: Settings, pool: str) -> Finding:
    try:
        url = f"{settings.prefect_api_url}/work_pools/{pool}/workers/filter"
        found = httpx.post(url, json={}, timeout=3.0).json()
    except (httpx.HTTPError, ValueError):
        found = []
    online = [worker["name"] for worker in found if isinstance(worker, dict) and worker.get("status") == "ONLINE"]
    if online:
        return Finding(True, f"pool {pool}: {', '.join(online)}")
    remedy = f"`swath up` or `prefect worker start --pool {pool}`"
    return Finding(False, f"pool {pool} has no agent, its runs would wait for ever; {remedy}")
