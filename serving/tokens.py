"""Bearer tokens: kept as digests, compared in constant time, each with what it may do."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from components.errors import SwathError

Scope = Literal["predict", "jobs", "admin"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
HASHED = re.compile(r"sha256:([0-9a-f]{64}):([a-z+]+)")
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz"})  # what a balancer asks; says nothing of models
ADMIN_PATHS = frozenset({"/", "/docs", "/docs.json", "/openapi.json", "/schema.json", "/metrics"})


class BadTokens(SwathError):
    """`SWATH_TOKENS` that cannot be understood; quotes no token."""


@dataclass(frozen=True)
class Tokens:
    """What each known token may do, by the SHA-256 of the token."""

    scopes: Mapping[str, frozenset[Scope]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, text: str) -> Tokens:
        """The tokens of `SWATH_TOKENS`: entries with commas between.

        `sha256:<digest>:<scope>+<scope>` (as `swath token` makes it) may do what it names; any other entry is a plain
        token that may do everything.

        Raises:
            BadTokens: if an entry begins like a digest but is none, or names an unknown scope.
        """
        return cls(dict(_entry(each.strip()) for each in text.split(",") if each.strip()))

    def __bool__(self) -> bool:
        return bool(self.scopes)

    def scopes_of(self, authorization: str) -> frozenset[Scope] | None:
        """What the bearer of an `Authorization` header may do; None for an unknown token.

        Every known digest is compared, so the time says nothing of which one it was.
        """
        scheme, _, token = authorization.partition(" ")
        found, allowed = digest(token.strip()), None
        for known, scopes in self.scopes.items():
            if hmac.compare_digest(found, known):
                allowed = scopes
        return allowed if scheme.lower() == "bearer" else None


def digest(token: str) -> str:
    """SHA-256 of a token: what is kept of it. Made tokens hold 256 random bits, so salt would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def scope_of(path: str) -> Scope | None:
    """What a token must allow for a path; None where none is needed."""
    if path in OPEN_PATHS:
        return None
    if path in ADMIN_PATHS:
        return "admin"
    return "jobs" if path == "/jobs" or path.startswith("/jobs/") else "predict"


def _entry(text: str) -> tuple[str, frozenset[Scope]]:
    if not text.startswith("sha256:"):
        return digest(text), SCOPES
    match = HASHED.fullmatch(text)
    names = frozenset(match[2].split("+")) if match else frozenset()
    if match is None or not names <= SCOPES:
        expected = f"sha256:<64 hex digits>:<scopes of {', '.join(sorted(SCOPES))} with + between>"
        raise BadTokens(f"SWATH_TOKENS holds an entry that is not {expected}; make one: swath token predict")
    return match[1], frozenset(scope for scope in SCOPES if scope in names)
