"""Addresses of objects that a caller may name: of allowed buckets only, and never handed to GDAL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from serving.errors import WrongInput

SCHEME = "s3://"
MAX_KEY_BYTES = 1024  # what S3 allows


@dataclass(frozen=True)
class Address:
    """A bucket of our object store and a key in it."""

    bucket: str
    key: str


def parse_address(text: str, allowed: Collection[str], name: str) -> Address:
    """The object that ``text`` names, such as `s3://scenes/2024/06/a.tif`.

    Raises:
        WrongInput: if it is no such address, or its bucket is not allowed; names ``name``, the field.
    """
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    if not text.startswith(SCHEME) or not bucket or not _is_plain(key):
        raise WrongInput(f"{name}: expected s3://<bucket>/<key>, found something else; name an object of our store")
    if bucket not in allowed:
        known = ", ".join(sorted(allowed)) or "none"
        raise WrongInput(f"{name}: that bucket is not allowed, allowed are: {known} (SWATH_INPUT_BUCKETS)")
    return Address(bucket, key)


def _is_plain(key: str) -> bool:
    """True for a key that no layer can take for another one: no dot segments, control characters or emptiness."""
    segments = key.split("/")
    printable = key.isprintable() and "\\" not in key and "?" not in key and "#" not in key
    return printable and len(key.encode()) <= MAX_KEY_BYTES and not any(part in ("", ".", "..") for part in segments)
