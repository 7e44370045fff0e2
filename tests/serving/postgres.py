"""A real PostgreSQL server on loopback for tests, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_endpoint


def _program(name: str) -> str:
    places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    return found or pytest.skip(f"PostgreSQL is not installed ({name})")


def _user() -> dict[str, str]:
    """The server refuses to run as root; then it runs as the user that its package made."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return {"user": "postgres"}


@contextmanager
def postgres():
    """The SQLAlchemy URL of an empty database."""
    initdb, server, user = _program("initdb"), _program("postgres"), _user()
    data = Path(tempfile.mkdtemp(prefix="swath-postgres-"))  # not below pytest's folders: those are ours alone
    if user:
        shutil.chown(data, user["user"])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": data, **user}
    subprocess.run(
        [initdb, "-D", data, "-U", "swath", "-A", "trust", "-N", "-E", "UTF8"], check=True, timeout=60, **quiet
    )
    host, port = free_endpoint().split(":")
    options = ["-c", "unix_socket_directories=", "-c", f"listen_addresses={host}", "-p", port]
    process = subprocess.Popen([server, "-D", data, *options], **quiet)
    try:
        _wait_ready(_program("pg_isready"), host, port)
        yield f"postgresql+psycopg://swath@{host}:{port}/postgres"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(data, ignore_errors=True)


def _wait_ready(pg_isready: str, host: str, port: str) -> None:
    for _ in range(200):
        if subprocess.run([pg_isready, "-h", host, "-p", port], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError("PostgreSQL did not start")
