from __future__ import annotations

import threading
import time

import pytest

from serving.bodies import BodyLimits
from serving.guard import GuardLimits
from serving.tokens import Tokens, digest
from tests.deployment.toy import Difference

TOKEN = "open sesame"


@pytest.fixture
def guarded(client_of, slots, registry, run, make_version):
    registry.promote(run, make_version())
    slots.look()
    return lambda **limits: client_of(slots, GuardLimits(**limits))


def test_a_body_above_the_cap_is_refused_by_its_header(guarded, pair):
    answer = guarded(body=BodyLimits(1000)).post("/change", files=pair)
    assert answer.status_code == 413
    assert "SWATH_MAX_BODY_MB" in answer.text


def test_a_body_without_a_length_is_counted_while_it_streams(guarded):
    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="before"; filename="b.tif"\r\n\r\n'
        for _ in range(10_000):
            yield b"\x00" * 1000

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = guarded(body=BodyLimits(50_000)).post("/change", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert "at most 50000" in answer.text


def test_a_negative_or_wordy_length_is_refused(guarded):
    for length in ("-5", "many"):
        assert guarded().post("/change", headers={"Content-Length": length}).status_code == 400


@pytest.mark.parametrize(
    "kind", ["application/vnd.bentoml+pickle", "application/x-python-pickle", "Application/PICKLE"]
)
@pytest.mark.parametrize("path", ["/change", "/models", "/metrics", "/anything"])
def test_pickles_are_refused_on_every_route(guarded, kind, path):
    assert guarded().post(path, content=b"\x80\x04.", headers={"Content-Type": kind}).status_code == 415


def test_a_token_opens_what_is_closed_without_it(guarded, pair):
    client = guarded(tokens=Tokens.of(f"{TOKEN}, another"))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.post("/change", files=pair, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/models").status_code == 401
    assert client.post("/change", files=pair, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_token_opens_what_its_scopes_name(guarded, pair):
    known = Tokens.of(f"sha256:{digest('p')}:predict, sha256:{digest('j')}:jobs, sha256:{digest('a')}:admin")
    client = guarded(tokens=known)

    def status(path, token):
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    paths = ("/models", "/jobs", "/openapi.json", "/docs", "/metrics")
    opened = {token: [path for path in paths if status(path, token) != 403] for token in "pja"}
    assert opened == {"p": ["/models"], "j": ["/jobs"], "a": ["/openapi.json", "/docs", "/metrics"]}
    refused = client.post("/change", files=pair, headers={"Authorization": "Bearer j"})
    assert "a token with the scope predict is needed" in refused.text
    assert client.post("/change", files=pair, headers={"Authorization": "Bearer p"}).status_code == 200
    assert client.get("/livez").status_code == 405  # let through without a token: BentoML answers it in the process


def test_without_tokens_only_this_machine_is_let_in(guarded):
    client = guarded()
    client._transport.client = ("192.0.2.7", 5)
    answer = client.get("/models")
    assert answer.status_code == 401
    assert "SWATH_TOKENS" in answer.text


def test_a_full_queue_answers_at_once_and_lets_in_again(guarded, pair, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    predict = Difference.predict

    def slow(self, scenes):
        entered.set()
        leave.wait(20)
        return predict(self, scenes)

    client = guarded(waiting=1)
    monkeypatch.setattr(Difference, "predict", slow)
    first = threading.Thread(target=client.post, args=("/change",), kwargs={"files": pair})
    first.start()
    assert entered.wait(20)
    started = time.perf_counter()
    refused = client.post("/change", files=pair)
    assert time.perf_counter() - started < 1
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert client.get("/models").status_code == 200
    leave.set()
    first.join()
    assert client.post("/change", files=pair).status_code == 200


def test_every_answer_carries_security_headers(guarded):
    for path in ("/models", "/nothing", "/docs"):
        headers = guarded().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


def test_an_error_that_nobody_foresaw_says_nothing_of_its_inside(guarded, pair, monkeypatch):
    def explode(self, scenes):
        raise ZeroDivisionError("/secret/path")

    client = guarded()
    monkeypatch.setattr(Difference, "predict", explode)
    answer = client.post("/change", files=pair)
    assert answer.status_code == 500
    assert "secret" not in answer.text
