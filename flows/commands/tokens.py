"""`swath token`: a new bearer token, and what the service keeps of it."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

import typer
from rich.console import Console

from components.errors import UnknownName

SCOPES = ("predict", "jobs", "admin")


def token(
    scopes: Annotated[list[str], typer.Argument(help=f"what it may do: {', '.join(SCOPES)}")],
) -> None:
    """Make a bearer token. It is shown once; the service is given its digest.

    Example: `swath token predict jobs`
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
    made = secrets.token_urlsafe(32)
    digest = hashlib.sha256(made.encode()).hexdigest()
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"for the client:  Authorization: Bearer {made}")
    console.print(f"for the service: add to SWATH_TOKENS: sha256:{digest}:{'+'.join(scopes)}")
