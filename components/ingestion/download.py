"""Files fetched over HTTP: a bounded pool, patient, resumable, and done only once size and checksum are right.

A file in the making is `<name>.part`; it takes its name when it is whole, with a receipt (`<name>.receipt.json`) that
spares the next run the request.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from components.ingestion.checksums import algorithm_of, digest_of
from components.ingestion.transfer import Gone, NotYet, transfer
from components.raster.atomic import write_text

logger = logging.getLogger(__name__)
TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=10.0, pool=None)
Sign = Callable[[str], str]


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: where from, where to, and what is known of it beforehand (bytes, multihash, version)."""

    url: str
    path: Path
    size: int | None = None
    checksum: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Manners:
    """How a server is asked: files at a time, tries a file, seconds between them, and the largest file accepted."""

    downloads: int = 4
    attempts: int = 6
    first_s: float = 0.5
    longest_s: float = 30.0
    longest_asked_s: float = 300.0  # a Retry-After beyond this is not waited for
    most_bytes: int = 16 * 1024**3

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Seconds to wait after attempt number ``attempt`` (from 1): what the server asked for, else doubling."""
        return asked_s if asked_s is not None else min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)


def fetch(
    wanted: Sequence[Wanted],
    *,
    sign: Sign | None = None,
    manners: Manners | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Path, str]:
    """Every wanted file at its path, whole and verified; the reason by path for each that could not be had.

    ``sign`` makes a link that may be used out of one that may not; it is asked before each attempt, because such
    links expire. What has its receipt is not asked for again.

    Raises:
        OSError: if the disk is full or a folder cannot be written.
    """
    manners = manners or Manners()
    limits = httpx.Limits(max_connections=manners.downloads)
    with (
        httpx.Client(timeout=TIMEOUT, limits=limits, follow_redirects=True) as client,
        ThreadPoolExecutor(manners.downloads) as pool,
    ):
        worker = _Worker(client, sign, manners, sleep)
        reasons = list(pool.map(worker.have, wanted))
    return {each.path: reason for each, reason in zip(wanted, reasons, strict=True) if reason is not None}


def is_here(wanted: Wanted) -> bool:
    """True where the file lies at its path with the receipt of exactly this request."""
    receipt = _receipt(wanted.path)
    if not (wanted.path.is_file() and receipt.is_file()):
        return False
    found = json.loads(receipt.read_text())
    return bool(found == _facts(wanted) | {"bytes": wanted.path.stat().st_size})


class _Worker:
    """What the threads of a pool share."""

    def __init__(
        self, client: httpx.Client, sign: Sign | None, manners: Manners, sleep: Callable[[float], None]
    ) -> None:
        self.client, self.sign, self.manners, self.sleep = client, sign, manners, sleep
        self.signing = threading.Lock()  # signers keep tokens, and few expect threads

    def have(self, wanted: Wanted) -> str | None:
        """None once the file is here, else why it cannot be had."""
        if is_here(wanted):
            return None
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        spoilt = 0
        for attempt in range(1, self.manners.attempts + 1):
            try:
                self._once(wanted)
            except Gone as gone:
                return str(gone)
            except NotYet as failure:
                spoilt += failure.spoilt
                asked, last = failure.wait_s, attempt == self.manners.attempts
                if last or spoilt > 1 or (asked or 0) > self.manners.longest_asked_s:
                    return f"{failure} (attempt {attempt} of {self.manners.attempts})"
                logger.warning("%s: %s; attempt %d of %d", wanted.path.name, failure, attempt, self.manners.attempts)
                self.sleep(self.manners.wait_s(attempt, asked))
            else:
                return None
        return None

    def _once(self, wanted: Wanted) -> None:
        part = wanted.path.with_name(f"{wanted.path.name}.part")
        is_sure = wanted.checksum is not None
        transfer(self.client, self._signed(wanted.url), part, wanted.size, self.manners.most_bytes, is_sure)
        _verify(wanted, part)
        part.replace(wanted.path)
        write_text(_receipt(wanted.path), json.dumps(_facts(wanted) | {"bytes": wanted.path.stat().st_size}))

    def _signed(self, url: str) -> str:
        if self.sign is not None:
            with self.signing:
                url = self.sign(url)
        if urlsplit(url).scheme not in ("http", "https"):
            raise Gone(f"{_bare(url)} is no http link; give layout.sign, a function that makes one of it")
        return url


def _verify(wanted: Wanted, part: Path) -> None:
    if wanted.checksum is None:
        return
    try:
        algorithm, expected = algorithm_of(wanted.checksum)
    except ValueError as error:
        raise Gone(str(error)) from error
    found = digest_of(part, algorithm)
    if found != expected:
        part.unlink()
        raise NotYet(f"{algorithm} is {found[:12]}..., the item says {expected[:12]}...", spoilt=True)


def _facts(wanted: Wanted) -> dict[str, object]:
    facts = asdict(wanted) | {"url": _bare(wanted.url)}
    del facts["path"]
    return facts


def _bare(url: str) -> str:
    """The link without its query, which holds signatures."""
    scheme, place, path, _, _ = urlsplit(url)
    return urlunsplit((scheme, place.rpartition("@")[2], path, "", ""))


def _receipt(path: Path) -> Path:
    return path.with_name(f"{path.name}.receipt.json")
