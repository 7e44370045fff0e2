"""A Label Studio of one's own on loopback, in an environment of its own: `make label-studio`.

Its data, and the account that it is made with, lie in `.swath/label-studio/`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from pathlib import Path

from components.errors import ServiceUnavailable
from components.settings import load_settings

HOST, PORT = "127.0.0.1", 8080
EMAIL = "swath@localhost.local"
ACCESS = "access.json"


def read_access(home: Path) -> dict[str, str]:
    """URL, e-mail, password and token of the server that `make label-studio` starts; empty before its first start."""
    path = home / "label-studio" / ACCESS
    found: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def make_access(home: Path, port: int) -> dict[str, str]:
    """The same, made where there is none; nobody but the owner can read it."""
    folder = home / "label-studio"
    folder.mkdir(parents=True, exist_ok=True)
    made = {"email": EMAIL, "password": secrets.token_urlsafe(12), "token": secrets.token_hex(20)}
    access = {**made, "secret_key": secrets.token_urlsafe(40), **read_access(home), "url": f"http://{HOST}:{port}"}
    path = folder / ACCESS
    path.touch(mode=0o600)
    path.write_text(json.dumps(access, indent=1) + "\n")
    return access


def command(program: Path, port: int) -> list[str]:
    """The command that starts the server, on loopback only; the account is in its environment, which nobody lists."""
    return [str(program), "start", "--no-browser", "--internal-host", HOST, "--port", str(port)]


def environment(home: Path, access: dict[str, str]) -> dict[str, str]:
    """Its environment: the account, SQLite and files below ``home``, no telemetry, no updates, no sign-up."""
    own = {
        "LABEL_STUDIO_USERNAME": access["email"],
        "LABEL_STUDIO_PASSWORD": access["password"],
        "LABEL_STUDIO_USER_TOKEN": access["token"],
        "LABEL_STUDIO_BASE_DATA_DIR": str(home / "label-studio"),
        "DJANGO_DB": "sqlite",
        "SECRET_KEY": access["secret_key"],
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",  # an account that exists from the first second
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "DEBUG")}
    return {**kept, **own}


def main() -> None:
    """This process becomes the server; `python -m flows.stack.label_studio <program> [port]`."""
    program, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else PORT
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise ServiceUnavailable(f"something listens on {HOST}:{port} already; give another port: PORT=8081")
    home = load_settings().home
    access = make_access(home, port)
    sys.stdout.write(f"{access['url']}  account {access['email']}, password in {home / 'label-studio' / ACCESS}\n")
    sys.stdout.flush()
    os.execve(program, command(program, port), environment(home, access))


if __name__ == "__main__":
    main()
