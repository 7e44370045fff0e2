"""Bounded retries for what touches the object store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError, NewConnectionError

from components.errors import ObjectNotFound, StoreUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")
MISSING = {"NoSuchKey", "NoSuchBucket", "ResourceNotFound", "NoSuchObject"}


class Answered(Exception):
    """The store answered a request of our own with a status that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


@dataclass(frozen=True)
class Patience:
    """How long a failing store is tried: ``attempts`` calls with waits that double up to ``longest_s``.

    The default waits 33.5 s in all, so that a store that fails for half a minute costs time and nothing else.
    One that refuses connections is not running: it is given up after ``refused`` attempts.
    """

    attempts: int = 9
    first_s: float = 0.5
    longest_s: float = 6.0
    refused: int = 4

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number ``attempt`` (from 1)."""
        return min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)

    def keep(self, where: str, call: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
        """What ``call`` returns, tried again while the store answers 5xx, 429 or resets.

        Raises:
            ObjectNotFound: if the object does not exist; not tried again.
            StoreUnavailable: if the store refuses, or still fails at the last attempt; names ``where``.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return call()
            except (S3Error, ServerError, InvalidResponseError, HTTPError, Answered) as error:
                failure, transient = _told(where, error)
                limit = self.refused if isinstance(_root(error), NewConnectionError) else self.attempts
                if not transient or attempt >= limit:
                    raise failure from None  # the cause may quote a signed URL
            logger.warning("%s; attempt %d of %d", failure, attempt, limit)
            sleep(self.wait_s(attempt))
        raise StoreUnavailable(f"{where}: no attempt was allowed; give at least one")


def _told(where: str, error: Exception) -> tuple[StoreUnavailable | ObjectNotFound, bool]:
    """Our error for the SDK's, and whether another attempt may help. Never quotes the SDK's message."""
    if isinstance(error, S3Error) and error.code in MISSING:
        return ObjectNotFound(f"{where}: no such object"), False
    status = status_of(error)
    if status in (401, 403):
        return StoreUnavailable(f"{where}: the store refuses the credentials (HTTP {status}); check them"), False
    reason = f"HTTP {status}" if status else type(_root(error)).__name__
    remedy = "is it running? `swath up` starts the embedded one, `swath doctor` says what is wrong"
    transient = status is None or status in (409, 429) or status >= 500  # 409: two conditional writes met
    return StoreUnavailable(f"{where}: the store fails ({reason}); {remedy}"), transient


def status_of(error: Exception) -> int | None:
    """The HTTP status behind an SDK error; None where there was no answer."""
    if isinstance(error, S3Error):
        return int(error.response.status)
    if isinstance(error, ServerError):
        return int(error.status_code)
    if isinstance(error, InvalidResponseError):
        return int(error._code)
    return error.status if isinstance(error, Answered) else None


def _root(error: BaseException) -> BaseException:
    """The reason inside urllib3's wrappers."""
    reason = getattr(error, "reason", None)
    return _root(reason) if isinstance(reason, BaseException) else error
