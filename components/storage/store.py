"""One bucket of an S3 store through the MinIO SDK: content-addressed blobs, and pointers moved by compare-and-swap."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.datatypes import Object

from components.errors import ObjectNotFound, StoreUnavailable
from components.storage.patience import Answered, Patience

T = TypeVar("T")
TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)
SIGNED_FOR = timedelta(minutes=2)
BLOBS = "blobs/sha256"
READ_BYTES = 1024**2


@dataclass(frozen=True)
class StoreAccess:
    """Where the store is and how to enter; the secret is in no repr."""

    endpoint: str  # host:port
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "swath"
    secure: bool = False
    region: str = "us-east-1"


@dataclass(frozen=True)
class Stat:
    """What the store knows of an object: its key, size in bytes, entity tag and last change."""

    key: str
    size: int
    etag: str
    modified: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Blob:
    """An object with its bytes and the entity tag they were read at."""

    data: bytes
    etag: str


class Store:
    """A bucket in which keys are written once; only pointers change, by `compare_and_swap`.

    Every call raises `StoreUnavailable` (naming endpoint and key, never a secret) once ``patience`` is at its
    end, and `ObjectNotFound` for a key that does not exist.

    Raises:
        StoreUnavailable: if there is no secret key.
    """

    def __init__(self, access: StoreAccess, patience: Patience | None = None) -> None:
        if not access.secret_key:
            raise StoreUnavailable(f"{access.endpoint}: no secret key; run `swath up`, or set SWATH_STORE_SECRET_KEY")
        self.access, self.patience = access, patience or Patience()
        # retries are ours (`Patience`): urllib3 would log signed URLs when it tries again
        self._http = urllib3.PoolManager(timeout=TIMEOUT, maxsize=16, retries=False)
        self._client = Minio(
            access.endpoint,
            access.access_key,
            access.secret_key,
            secure=access.secure,
            region=access.region,
            http_client=self._http,
        )

    def __repr__(self) -> str:
        return f"Store({self.access.endpoint}/{self.access.bucket})"

    def ensure_bucket(self) -> None:
        """The bucket made where it did not exist."""
        bucket = self.access.bucket

        def make() -> None:
            if not self._client.bucket_exists(bucket):
                self._client.make_bucket(bucket)

        self._keep("", make)

    def put_blob(self, data: bytes) -> str:
        """The content-addressed key of ``data``, which is stored there once."""
        key = blob_key(hashlib.sha256(data).hexdigest())
        if not self.exists(key):
            self.put_new(key, data)
        return key

    def put_file(self, path: Path, under: str = BLOBS) -> str:
        """The content-addressed key (below the prefix ``under``) of a file of any size, which is stored there once."""
        key = blob_key(file_digest(path), under)
        if not self.exists(key):
            self._keep(key, lambda: self._client.fput_object(self.access.bucket, key, str(path)))
        return key

    def put_new(self, key: str, data: bytes) -> bool:
        """True where the object was created, False where the key was taken and stays as it was."""
        return self._put_if(key, data, {"If-None-Match": "*"}) is not None

    def compare_and_swap(self, key: str, data: bytes, etag: str | None) -> str | None:
        """The new entity tag where the object was still at ``etag`` (None: did not exist); None where it was not."""
        return self._put_if(key, data, {"If-Match": f'"{etag}"'} if etag else {"If-None-Match": "*"})

    def get(self, key: str) -> Blob:
        """The object's bytes and entity tag."""

        def read() -> Blob:
            answer = self._client.get_object(self.access.bucket, key)
            try:
                return Blob(answer.read(), _tag(answer.headers))
            finally:
                answer.close()
                answer.release_conn()

        return self._keep(key, read)

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        """The object where it is no longer at ``etag``; None where it is, without its bytes being sent."""

        def read() -> Blob | None:
            url = self._client.presigned_get_object(self.access.bucket, key, expires=SIGNED_FOR)
            answer = self._http.request("GET", url, headers={"If-None-Match": f'"{etag}"'})
            if answer.status == 304:
                return None
            if answer.status == 404:
                raise ObjectNotFound(f"{self.access.endpoint}/{self.access.bucket}/{key}: no such object")
            if answer.status >= 300:
                raise Answered(answer.status)
            return Blob(answer.data, _tag(answer.headers))

        return self._keep(key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes (at least 1) of the object from ``start`` on."""

        def read() -> bytes:
            answer = self._client.get_object(self.access.bucket, key, offset=start, length=length)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()

        return self._keep(key, read)

    def get_file(self, key: str, path: Path) -> str:
        """The SHA-256 of the object, streamed to ``path`` (under a temporary name until it is whole)."""
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = self._keep(key, lambda: self._stream(key, temporary))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def stat(self, key: str) -> Stat:
        """Size and entity tag of the object."""
        found = self._keep(key, lambda: self._client.stat_object(self.access.bucket, key))
        return _stat(found)

    def exists(self, key: str) -> bool:
        """True where there is an object at ``key``."""
        try:
            self.stat(key)
        except ObjectNotFound:
            return False
        return True

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """All objects whose key starts with ``prefix``, by key."""

        def read() -> tuple[Stat, ...]:
            found = self._client.list_objects(self.access.bucket, prefix=prefix, recursive=True)
            return tuple(sorted(map(_stat, found), key=lambda stat: stat.key))

        return self._keep(prefix, read)

    def remove(self, key: str) -> None:
        """Nothing at ``key`` any more."""
        self._keep(key, lambda: self._client.remove_object(self.access.bucket, key))

    def probe_conditional_writes(self) -> None:
        """Nothing where the store honours create-once and compare-and-swap.

        Raises:
            StoreUnavailable: names the condition that it ignores or refuses; without them two promotions could
                overwrite each other unseen, so such a store is not used.
        """
        key = f"probe/{uuid.uuid4().hex}"
        try:
            for problem in self._broken_conditions(key):
                raise StoreUnavailable(
                    f"{self.access.endpoint}: the store {problem}; use one with conditional writes "
                    "(SeaweedFS 4, MinIO from 2025-08, Ceph, AWS)"
                )
        finally:
            self.remove(key)

    def _broken_conditions(self, key: str) -> Iterator[str]:
        first = self.compare_and_swap(key, b"1", None)
        if first is None:
            yield "refuses to create a new object with If-None-Match"
        if self.put_new(key, b"2"):
            yield "ignores If-None-Match"
        second = self.compare_and_swap(key, b"3", first)
        if second is None:
            yield "refuses a right If-Match"
        if self.compare_and_swap(key, b"4", first) is not None:
            yield "ignores a wrong If-Match"
        if self.compare_and_swap(f"{key}-missing", b"5", second) is not None:
            self.remove(f"{key}-missing")
            yield "ignores If-Match on a missing object"

    def _put_if(self, key: str, data: bytes, condition: Mapping[str, str]) -> str | None:
        """The entity tag of the written object; None where ``condition`` did not hold.

        The SDK has no parameter for conditions, but a presigned PUT carries any header.
        """
        sent = 0

        def put() -> str | None:
            nonlocal sent
            sent += 1
            url = self._client.presigned_put_object(self.access.bucket, key, expires=SIGNED_FOR)
            answer = self._http.request("PUT", url, body=data, headers={**condition, "Content-Length": str(len(data))})
            if answer.status == 412 or (answer.status == 404 and "If-Match" in condition):
                return None
            if answer.status >= 300:
                raise Answered(answer.status)
            return _tag(answer.headers)

        tag = self._keep(key, put)
        if tag is None and sent > 1:  # an answer got lost: the refused write may be our own
            return self._own(key, data)
        return tag

    def _own(self, key: str, data: bytes) -> str | None:
        try:
            found = self.get(key)
        except ObjectNotFound:
            return None
        return found.etag if found.data == data else None

    def _stream(self, key: str, path: Path) -> str:
        answer = self._client.get_object(self.access.bucket, key)
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                for part in answer.stream(READ_BYTES):
                    digest.update(part)
                    file.write(part)
        finally:
            answer.close()
            answer.release_conn()
        return digest.hexdigest()

    def _keep(self, key: str, call: Callable[[], T]) -> T:
        return self.patience.keep(f"{self.access.endpoint}/{self.access.bucket}/{key}", call)


def blob_key(digest: str, under: str = BLOBS) -> str:
    """Where the bytes with this SHA-256 lie."""
    return f"{under}/{digest[:2]}/{digest}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stat(found: Object) -> Stat:
    return Stat(found.object_name or "", int(found.size or 0), (found.etag or "").strip('"'), found.last_modified)


def _tag(headers: Mapping[str, str]) -> str:
    return headers.get("ETag", "").strip('"')
