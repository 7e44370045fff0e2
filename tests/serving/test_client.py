from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serving.client import Client, Refused

RESULT = bytes(range(256)) * 4000


class Jobs(BaseHTTPRequestHandler):
    """A service that is busy at first, and whose first download breaks off in the middle."""

    seen: list[tuple[str, str, str]]

    def answer(self, status, content=b"{}", size=None, **headers):
        what = self.headers.get("Range") or self.headers.get("Idempotency-Key", "")
        self.seen.append((self.command, self.path, what))
        self.send_response(status)
        for name, text in ({"Content-Length": size or len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(text))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if len(self.seen) < 1:
            self.answer(429, b'{"message": "later"}', Retry_After=0)
        elif self.path == "/change":
            self.answer(422, b'{"error": "WrongForm", "message": "missing file after"}')
        else:
            self.answer(202, b'{"id": "j1"}')

    def do_GET(self):
        asked = sum(path == self.path for _, path, _ in self.seen)
        if self.path == "/jobs/j1":
            state = {"state": "running" if asked < 2 else "done", "tiles": {"done": asked, "all": 3}}
            state["result"] = {"bytes": len(RESULT), "digest": hashlib.sha256(RESULT).hexdigest()}
            self.answer(200, json.dumps(state).encode())
        elif "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.answer(206, RESULT[start:])
        else:
            self.answer(200, RESULT[:100_000], size=len(RESULT))

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    handler = type("Handler", (Jobs,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.seen
    server.shutdown()
    server.server_close()


def test_a_job_is_submitted_once_waited_for_and_its_download_goes_on_where_it_broke(service, tmp_path):
    url, seen = service
    (tmp_path / "b.tif").write_bytes(b"II*")
    told = []
    with Client(url) as client:
        job = client.submit("change", {"before": tmp_path / "b.tif"})
        assert (
            client.wait(job, progress=lambda state: told.append(state["tiles"]["done"]), every_s=0)["state"] == "done"
        )
        assert client.download(job, to=tmp_path / "out.tif").read_bytes() == RESULT
    keys = [key for method, path, key in seen if path == "/jobs"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert told == [0, 1, 2]
    assert ("GET", "/jobs/j1/result", "bytes=100000-") in seen
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_refusal_carries_the_sentence_of_the_service_and_leaves_no_file(service, tmp_path):
    (tmp_path / "b.tif").write_bytes(b"II*")
    with Client(service[0]) as client, pytest.raises(Refused, match="422: missing file after"):
        client.predict("change", {"before": tmp_path / "b.tif"}, to=tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_the_client_needs_neither_torch_nor_bentoml_nor_rasterio():
    code = (
        "import serving.client, sys; print([n for n in ('torch', 'bentoml', 'rasterio', 'numpy') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
