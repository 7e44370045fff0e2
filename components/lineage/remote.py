"""Where DVC's bytes lie besides the local cache, and the local configuration that says so."""

from __future__ import annotations

import os
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

NAME = "store"
LINKS = "reflink,hardlink,symlink,copy"  # nobody edits a machine's checkout by hand
COPIES = "reflink,copy"  # a person might, and an edit through a link would change the cache


@dataclass(frozen=True)
class Remote:
    """A DVC remote: an `s3://bucket/prefix` with its endpoint and keys, or a folder. Keys never show in logs."""

    url: str
    endpoint_url: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None

    def options(self) -> dict[str, str]:
        """The options as DVC names them, with the hash check of what is downloaded switched on."""
        named = {
            "url": self.url,
            "endpointurl": self.endpoint_url,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "region": self.region,
        }
        return {key: value for key, value in named.items() if value is not None} | {"verify": "true"}


def object_path(cache: Path, recorded: str) -> Path:
    """Where a cache keeps the object (file, or listing of a folder) that DVC recorded under this hash."""
    return cache / "files" / "md5" / recorded[:2] / recorded[2:]


def dvc_cache(project: Path) -> Path:
    """The DVC cache that a project is configured to use, `.dvc/cache` unless it says otherwise."""
    config = ConfigParser(interpolation=None)
    config.read([project / ".dvc" / "config", project / ".dvc" / "config.local"])
    named = config.get("cache", "dir", fallback="cache").strip('"')
    return (project / ".dvc" / named).resolve()  # DVC, too, takes it relative to its own folder


def write_local_config(folder: Path, cache: Path, remote: Remote | None, links: str = LINKS) -> Path:
    """`.dvc/config.local` of ``folder``, readable by its owner only: shared cache, links, remote with its keys."""
    config = ConfigParser(interpolation=None)
    config["core"] = {"analytics": "false", "check_update": "false", "autostage": "false"}
    config["cache"] = {"dir": str(cache), "type": links, "slow_link_warning": "false"}
    if remote is not None:
        config["core"]["remote"] = NAME
        config[f"'remote \"{NAME}\"'"] = remote.options()
    path = folder / ".dvc" / "config.local"
    path.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        config.write(file)
    return path
