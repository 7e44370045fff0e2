from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from components.errors import ServiceUnavailable
from serving.listening import exposed, require_tokens_beyond_loopback
from tests.conftest import SECRET, free_endpoint


def test_loopback_is_no_exposure():
    assert exposed(["127.0.0.1", "::1", "127.8.8.8"]) == []
    assert exposed(["127.0.0.1", "0.0.0.0", "::", "192.0.2.1"]) == ["0.0.0.0", "192.0.2.1", "::"]


def test_a_process_that_listens_everywhere_needs_tokens(monkeypatch, tmp_path):
    monkeypatch.setenv("SWATH_PROJECT", str(tmp_path))
    with socket.create_server(("0.0.0.0", 0)):
        with pytest.raises(ServiceUnavailable, match=r"0\.0\.0\.0 without tokens; set SWATH_TOKENS"):
            require_tokens_beyond_loopback()
        monkeypatch.setenv("SWATH_TOKENS", "open-sesame")
        require_tokens_beyond_loopback()


@pytest.mark.slow
@pytest.mark.service
def test_bento_ends_and_says_why_where_it_would_listen_everywhere_without_tokens(checkout, tmp_path):
    own = {"SWATH_PROJECT": str(tmp_path), "SWATH_STORE_SECRET_KEY": SECRET, "BENTOML_HOME": str(tmp_path / "bentoml")}
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:SwathService", "--host", "0.0.0.0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", free_endpoint().rsplit(":", 1)[1]],
            cwd=checkout, env=os.environ | own | {"BENTOML_DO_NOT_TRACK": "True"}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        process.wait(90)
    finally:
        process.kill()
    assert "would listen on 0.0.0.0 without tokens; set SWATH_TOKENS" in (tmp_path / "log").read_text()
