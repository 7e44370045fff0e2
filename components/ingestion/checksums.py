"""Checksums as the STAC file extension writes them: multihashes, which name their own algorithm."""

from __future__ import annotations

import hashlib
from pathlib import Path

# Codes of the multihash table (unsigned varints, hexadecimal) with the length of the digest in bytes.
_ALGORITHMS = {
    "11": ("sha1", 20),
    "12": ("sha256", 32),
    "13": ("sha512", 64),
    "d501": ("md5", 16),
    "16": ("sha3_256", 32),
    "14": ("sha3_512", 64),
}


def algorithm_of(multihash: str) -> tuple[str, str]:
    """The name that hashlib knows and the expected digest (hexadecimal) of a multihash.

    Raises:
        ValueError: if it is none of the algorithms that data are published with.
    """
    lowered = multihash.lower()
    for code, (name, length) in _ALGORITHMS.items():
        prefix = f"{code}{length:02x}"
        if lowered.startswith(prefix) and len(lowered) == len(prefix) + 2 * length:
            return name, lowered.removeprefix(prefix)
    raise ValueError(f"file:checksum {multihash[:12]}... is no multihash of {', '.join(n for n, _ in _names())}")


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file as hexadecimal digits, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _names() -> list[tuple[str, int]]:
    return sorted(_ALGORITHMS.values())
