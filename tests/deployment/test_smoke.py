from __future__ import annotations

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.deployment.registry import Registry
from components.deployment.smoke import Service, deploy, wait_for_version
from components.errors import PromotionConflict, ServiceUnavailable
from components.storage.store import Store
from tests.conftest import QUICK, free_endpoint


@pytest.fixture
def registry(moto_store):
    return Registry(Store(moto_store, QUICK))


@pytest.fixture
def run(registry, tmp_path):
    return f"run-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def versions(registry, run, tmp_path):
    found = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "params.yaml").write_text(str(number))
        found.append(registry.register(run, folder).id)
    return found


@pytest.fixture
def service(registry, run):
    """A service that follows the pointer and takes over every version but those it is told to refuse."""
    state = {"refused": set(), "token": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            promotion = registry.promoted(run)
            version = promotion.version if promotion else None
            refused = version in state["refused"]
            if state["token"] and self.headers["Authorization"] != f"Bearer {state['token']}":
                return self.send_error(401)
            model = {"run": run, "version": None if refused else version, "promoted": version, "reason": "other code"}
            body = json.dumps({"models": [{**model, "state": "refused" if refused else "ready"}]}).encode()
            self.send_response(200)
            self.end_headers()
            return self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Service(f"http://127.0.0.1:{server.server_port}"), state
    server.shutdown()
    server.server_close()


def test_a_version_that_the_service_takes_over_stays_promoted(registry, run, versions, service):
    assert deploy(registry, run, versions[0], service[0]).n == 1
    assert deploy(registry, run, versions[1], service[0], expected=versions[0]).n == 2
    assert registry.promoted(run).version == versions[1]


def test_a_refused_version_is_rolled_back_and_the_reason_told(registry, run, versions, service):
    deploy(registry, run, versions[0], service[0])
    service[1]["refused"].add(versions[1])
    with pytest.raises(ServiceUnavailable, match=rf"refused.*other code; rolled back to {versions[0]}"):
        deploy(registry, run, versions[1], service[0])
    assert registry.promoted(run).version == versions[0]


def test_a_refused_first_version_is_withdrawn(registry, run, versions, service):
    service[1]["refused"].add(versions[0])
    with pytest.raises(ServiceUnavailable, match="withdrawn, no version was in service before"):
        deploy(registry, run, versions[0], service[0])
    assert registry.promoted(run) is None


def test_a_silent_service_gets_the_promotion_rolled_back(registry, run, versions):
    registry.promote(run, versions[0])
    with pytest.raises(ServiceUnavailable, match=r"does not answer.*rolled back"):
        deploy(registry, run, versions[1], Service(f"http://{free_endpoint()}"), timeout_s=0.5)
    assert registry.promoted(run).version == versions[0]


def test_a_cancelled_deployment_leaves_the_version_that_was_in_service(registry, run, versions, service, monkeypatch):
    registry.promote(run, versions[0])

    def cancelled(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("components.deployment.smoke.wait_for_version", cancelled)
    with pytest.raises(KeyboardInterrupt):
        deploy(registry, run, versions[1], service[0])
    assert registry.promoted(run).version == versions[0]


def test_another_champion_than_the_expected_one_stops_the_deployment(registry, run, versions, service):
    registry.promote(run, versions[0])
    with pytest.raises(PromotionConflict, match=versions[0]):
        deploy(registry, run, versions[1], service[0], expected=None)


def test_a_rollback_does_not_undo_what_somebody_else_promoted(registry, run, versions, service, monkeypatch):
    def promoted_meanwhile(*_):
        registry.promote(run, versions[0])
        raise ServiceUnavailable("silence")

    monkeypatch.setattr("components.deployment.smoke.wait_for_version", promoted_meanwhile)
    with pytest.raises(ServiceUnavailable, match="left as it is"):
        deploy(registry, run, versions[1], service[0])
    assert registry.promoted(run).version == versions[0]


def test_a_token_is_sent(registry, run, versions, service):
    registry.promote(run, versions[0])
    service[1]["token"] = "open sesame"
    wait_for_version(Service(service[0].url, "open sesame"), run, versions[0], 2)
    with pytest.raises(ServiceUnavailable, match="401"):
        wait_for_version(service[0], run, versions[0], 0.5)
