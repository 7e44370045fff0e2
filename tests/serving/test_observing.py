from __future__ import annotations

import io
import json
import logging
import sys

import pytest
import torch
from prometheus_client import REGISTRY

from components.raster.opening import open_untrusted
from serving.metrics import slot_lines
from serving.observing import JsonLines, install_logs, request_id
from tests.deployment.toy import Difference


def post(client, pair, name=None):
    return client.post("/change", files=pair, headers={"X-Request-Id": name} if name else {})


@pytest.mark.parametrize("name", ["abc-1", "A.b_c" * 12])
def test_a_sane_request_id_comes_back_and_stands_in_the_tags(client, pair, name):
    answer = post(client, pair, name)
    assert answer.headers["X-Request-Id"] == name
    assert open_untrusted(answer.content).tags["SWATH_REQUEST"] == name


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "<script>", "../../etc"])
def test_any_other_request_id_is_replaced_and_tags_nothing(client, pair, name):
    answer = post(client, pair, name)
    made = answer.headers["X-Request-Id"]
    assert len(made) == 32
    assert made != post(client, pair, name).headers["X-Request-Id"]
    assert "SWATH_REQUEST" not in open_untrusted(answer.content).tags


def test_every_answer_has_an_id_refusals_too(client):
    for answer in (client.get("/models"), client.get("/nothing"), client.post("/change"), client.get("/livez")):
        assert answer.headers["X-Request-Id"]


def count(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_requests_latency_and_pixels_are_counted_by_task_and_run(client, pair, run):
    labels = {"route": "predict", "task": "change", "run": run}
    post(client, pair), post(client, {**pair, "after": b"nonsense"}), client.post("/nothing")
    assert count("swath_requests_total", **labels, status="200") == 1
    assert count("swath_requests_total", **labels, status="400") == 1
    assert count("swath_request_seconds_count", **labels) == 2
    assert count("swath_pixels_total", task="change", run=run) == 2000
    assert count("swath_requests_inside") == 0


def test_paths_of_strangers_make_no_series(client):
    client.get("/a/b/c"), client.get("/wp-admin"), client.post("/xyz")
    routes = {sample.labels.get("route") for metric in REGISTRY.collect() for sample in metric.samples}
    assert routes <= {None, "predict", "other", "models", "docs", "livez", "jobs", "openapi.json", "metrics"}


def test_the_version_in_service_is_a_gauge(client, slots, run):
    lines = slot_lines(slots.as_json()["models"])
    assert f'run="{run}",state="ready",task="change",version="{slots.current(run).id}"' in lines
    assert "} 1.0" in lines


@pytest.fixture
def lines():
    """The JSON lines written so far."""
    ours = [logging.getLogger(name) for name in ("serving", "components", "models")]
    kept = [(each, each.handlers, each.propagate, each.level) for each in ours]
    written = io.StringIO()
    install_logs(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for each, handlers, propagate, level in kept:
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


def test_a_request_is_one_line_of_json_without_words_of_the_caller(client, pair, run, slots, lines):
    client.post("/change?token=hunter2", files=pair, headers={"Authorization": "Bearer hunter2"})
    post(client, pair, "abc-1")
    refused, answered = lines()
    assert "hunter2" not in str(refused)
    assert answered.items() >= {
        "request_id": "abc-1", "route": "predict", "status": 200, "task": "change", "run": run, "pixels": 2000,
        "version": slots.current(run).id, "level": "info",
    }.items()  # fmt: skip
    assert answered["seconds"] > 0


def test_a_warning_inside_a_request_carries_its_id(client, pair, lines, monkeypatch):
    def full(self, scenes):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Difference, "predict", full)
    post(client, pair, "abc-2")
    assert [line["request_id"] for line in lines() if line["level"] == "warning"] == ["abc-2"]


def test_a_traceback_stays_within_its_line():
    try:
        int("a\nb")
    except ValueError:
        record = logging.LogRecord("serving", logging.ERROR, "", 1, "failed\n%s", ("x",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError" in json.loads(line)["traceback"]
    assert request_id.get() == ""
