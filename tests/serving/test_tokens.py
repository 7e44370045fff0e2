from __future__ import annotations

import pytest
from typer.testing import CliRunner

from flows.cli import app
from serving.tokens import BadTokens, Tokens, digest, scope_of

TOKEN = "open sesame"


def test_a_plain_token_may_do_everything():
    assert Tokens.of(f" {TOKEN} ,").scopes_of(f"Bearer {TOKEN}") == {"predict", "jobs", "admin"}


def test_a_hashed_token_may_do_what_it_names():
    tokens = Tokens.of(f"sha256:{digest(TOKEN)}:predict+jobs, other")
    assert tokens.scopes_of(f"bearer {TOKEN}") == {"predict", "jobs"}
    assert tokens.scopes_of("Bearer other") == {"predict", "jobs", "admin"}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {digest(TOKEN)}"])
def test_anything_else_is_nobody(header):
    assert Tokens.of(f"sha256:{digest(TOKEN)}:predict").scopes_of(header) is None


@pytest.mark.parametrize("entry", [f"sha256:{digest(TOKEN)}", "sha256:12:predict", f"sha256:{digest(TOKEN)}:root"])
def test_a_broken_entry_is_refused_without_being_quoted(entry):
    with pytest.raises(BadTokens) as refused:
        Tokens.of(entry)
    assert digest(TOKEN)[:8] not in str(refused.value)


def test_tokens_are_kept_as_digests_only():
    tokens = Tokens.of(TOKEN)
    assert TOKEN not in f"{tokens!r}{tokens.scopes}"
    assert digest(TOKEN) in tokens.scopes


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/livez", None), ("/metrics", "admin"), ("/docs", "admin"), ("/openapi.json", "admin"), ("/", "admin"),
        ("/jobs", "jobs"), ("/jobs/1/result", "jobs"), ("/jobsite", "predict"), ("/models", "predict"),
        ("/change", "predict"),
    ],
)  # fmt: skip
def test_each_path_needs_its_scope(path, scope):
    assert scope_of(path) == scope


def test_the_command_makes_a_token_that_the_service_knows():
    said = CliRunner().invoke(app, ["token", "predict", "jobs"]).output
    made, entry = said.split("Bearer ")[1].split()[0], said.split("SWATH_TOKENS: ")[1].strip()
    assert Tokens.of(entry).scopes_of(f"Bearer {made}") == {"predict", "jobs"}
