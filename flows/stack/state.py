"""What is running, on disk: `.swath/stack.json` for people and commands, `.swath/stack.env` for settings."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from components.settings import STACK_ENV, Settings


@dataclass(frozen=True)
class Entry:
    """One line of `swath status`."""

    name: str
    pid: int
    url: str
    log: str
    seconds: float


@dataclass(frozen=True)
class StackState:
    """The supervisor and its services; ``ready`` once every one of them answered."""

    pid: int
    created: float
    ready: bool
    services: tuple[Entry, ...]

    @property
    def alive(self) -> bool:
        """True while the supervisor that wrote this is the process with that id."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def read_state(home: Path) -> StackState | None:
    """The state of the stack of this project, or None where none is up."""
    path = home / "stack.json"
    if not path.is_file():
        return None
    raw = json.loads(path.read_text())
    state = StackState(raw["pid"], raw["created"], raw["ready"], tuple(Entry(**entry) for entry in raw["services"]))
    return state if state.alive else None


def write_state(home: Path, entries: tuple[Entry, ...], *, ready: bool) -> None:
    """This process named as the supervisor of ``entries``."""
    own = psutil.Process()
    state = StackState(own.pid, own.create_time(), ready, entries)
    _replace(home / "stack.json", json.dumps(asdict(state), indent=1))


def clear_state(home: Path) -> None:
    """No stack is up any more."""
    for name in ("stack.json", STACK_ENV.name):
        (home / name).unlink(missing_ok=True)


def wanted_bento(home: Path) -> str:
    """The Bento that the service is to be; empty for the project's own source code."""
    path = home / "bento.wanted"
    return path.read_text() if path.is_file() else ""


def want_bento(home: Path, folder: Path) -> None:
    """The service is to be the Bento in ``folder``: the supervisor restarts it so, now and at the next start."""
    _replace(home / "bento.wanted", str(folder))


def secret_key(home: Path) -> str:
    """The store's secret of this installation: made once, readable by its owner only."""
    path = home / "store.key"
    if not path.is_file():
        _replace(path, secrets.token_hex(20), mode=0o600)
    return path.read_text()


def write_env(settings: Settings) -> None:
    """The settings of the running stack where every command finds them; readable by its owner only."""
    values = {
        "SWATH_STORE_ENDPOINT": settings.store_endpoint,
        "SWATH_STORE_ACCESS_KEY": settings.store_access_key,
        "SWATH_STORE_SECRET_KEY": settings.store_secret_key.get_secret_value(),
        "SWATH_PREFECT_API_URL": settings.prefect_api_url,
        "SWATH_SERVICE_URL": settings.service_url,
        "SWATH_REPORTS_URL": settings.reports_url,
    }
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    _replace(settings.project / STACK_ENV, lines, mode=0o600)


def _replace(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
