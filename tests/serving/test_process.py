"""The real thing: `bentoml serve` as a process, with a SeaweedFS store and a network of the change task."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from components.deployment.draft import draft
from components.deployment.registry import Registry
from components.deployment.smoke import Service, deploy
from components.errors import ServiceUnavailable
from components.lineage.closure import code_digest
from components.raster.cog import write_scene
from components.raster.opening import open_untrusted
from components.storage.store import Store, StoreAccess
from components.tasks import load_task
from components.tasks.bundle import module_state
from components.tasks.params import read_params
from tests.conftest import QUICK, SECRET, free_endpoint
from tests.deployment.toy import provenance, scene

pytestmark = [pytest.mark.service, pytest.mark.slow]
RUN = "change-process"
PARAMS = {
    "task": "change", "dataset": "none", "description": "random weights",
    "split": {"kind": "places", "train": ["a"], "val": ["b"], "test": ["c"]},
    "method": {"name": "fc-siam-diff", "bands": ["B04", "B08"], "pixel_size_m": [5, 20], "needs_crs": True},
}  # fmt: skip


def make_version(registry, folder, seed, code):
    """A registered version of the change task with random weights."""
    project = folder / f"project-{seed}"
    params_path = project / "components" / "tasks" / "change" / "params" / f"{RUN}.yaml"
    params_path.parent.mkdir(parents=True)
    params_path.write_text(yaml.safe_dump(PARAMS))
    params = read_params(params_path)
    torch.manual_seed(seed)
    network = load_task("change").methods(params).candidate
    preprocessing = {"channels": ["B04", "B08"], "mean": [0.1, 0.1], "std": [0.2, 0.2]}
    weights = project / "models" / "weights" / RUN
    weights.mkdir(parents=True)
    save_file(module_state(network.module), weights / "weights.safetensors")
    (weights / "preprocessing.json").write_text(json.dumps(preprocessing))
    (project / "data" / "reports").mkdir(parents=True)
    (project / "data" / "reports" / f"{RUN}.json").write_text("{}")
    draft(RUN, project, folder / f"version-{seed}", provenance(code))
    return registry.register(RUN, folder / f"version-{seed}").id


@pytest.fixture(scope="module")
def registry(object_store):
    store = Store(StoreAccess(object_store.endpoint, "swath", SECRET, "swath-serving"), QUICK)
    store.ensure_bucket()
    return Registry(store)


@pytest.fixture(scope="module")
def versions(registry, checkout, tmp_path_factory):
    """Two versions of this code and one of other code."""
    folder, own = tmp_path_factory.mktemp("versions"), code_digest("change", checkout)
    made_by = {1: own, 2: own, 3: "0ther" * 8}
    return [make_version(registry, folder, seed, code) for seed, code in made_by.items()]


@pytest.fixture(scope="module")
def process(registry, versions, checkout, tmp_path_factory):
    """The service with the first version promoted, and its process."""
    registry.promote(RUN, versions[0])
    home, endpoint = tmp_path_factory.mktemp("project"), free_endpoint()
    settings = {
        "SWATH_PROJECT": home, "SWATH_STORE_ENDPOINT": registry.store.access.endpoint, "SWATH_STORE_SECRET_KEY": SECRET,
        "SWATH_STORE_BUCKET": "swath-serving", "SWATH_MAX_BODY_MB": 64, "SWATH_POLL_S": 0.3,
        "BENTOML_HOME": home / "bentoml", "BENTOML_DO_NOT_TRACK": "True",
    }  # fmt: skip
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:SwathService", "--host", "127.0.0.1"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", endpoint.rsplit(":", 1)[1]],
            cwd=checkout, env=os.environ | {k: str(v) for k, v in settings.items()}, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://{endpoint}"
    try:
        wait_ready(url, process, home / "log")
        yield url, process, home / "log"
    finally:
        process.terminate()
        process.wait(30)


def wait_ready(url, process, log, timeout_s=240):
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise TimeoutError(log.read_text()[-3000:])


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    for name, changed in (("before", 0.0), ("after", 0.3)):
        write_scene(scene(0.1, changed), folder / f"{name}.tif")
    return {name: (folder / f"{name}.tif").read_bytes() for name in ("before", "after")}


def post(url, pair, **options):
    return httpx.post(f"{url}/change", files=pair, timeout=60, **options)


def test_the_service_answers_with_the_promoted_version(process, versions, pair):
    answer = post(process[0], pair)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Swath-Version"] == versions[0]
    change = open_untrusted(answer.content)
    assert (change.unit, change.tags["SWATH_VERSION"]) == ("class", versions[0])
    assert post(process[0], pair).content == answer.content


def test_a_deployment_swaps_versions_and_one_of_other_code_is_rolled_back(process, registry, versions, pair):
    deploy(registry, RUN, versions[1], Service(process[0]), timeout_s=30)
    assert post(process[0], pair).headers["X-Swath-Version"] == versions[1]
    with pytest.raises(ServiceUnavailable, match=rf"made by code 0ther.*rolled back to {versions[1]}"):
        deploy(registry, RUN, versions[2], Service(process[0]), timeout_s=30)
    assert post(process[0], pair).headers["X-Swath-Version"] == versions[1]


@pytest.mark.parametrize("path", ["/change", "/models", "/metrics", "/schema.json", "/livez", "/anything"])
def test_pickles_are_refused_by_every_route_of_the_process(process, path):
    headers = {"Content-Type": "application/vnd.bentoml+pickle"}
    assert httpx.post(f"{process[0]}{path}", content=b"\x80\x04.", headers=headers).status_code == 415


def test_a_large_streamed_body_is_refused_before_it_is_in_memory(process):
    sent = 0

    def endless():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="before"; filename="b.tif"\r\n\r\n'
        for _ in range(1000):
            sent += 1
            yield b"\x00" * 1024**2

    before = memory(process[1])
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = httpx.Request("POST", f"{process[0]}/change", content=endless(), headers=headers)
    with (
        httpx.Client(timeout=60) as client,
        pytest.raises(httpx.HTTPError, match=r"413|reset|Broken|disconnect|closed"),
    ):
        client.send(request).raise_for_status()
    assert sent < 200
    assert memory(process[1]) - before < 50 * 1024**2
    assert httpx.get(f"{process[0]}/livez").status_code == 200


def memory(process):
    """Resident bytes of the process and its children."""
    root = psutil.Process(process.pid)
    return sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))


def test_bento_answers_on_loopback_only(process):
    port = int(process[0].rsplit(":", 1)[1])
    addresses = {c.laddr.ip for p in family(process[1]) for c in p.net_connections() if c.status == "LISTEN"}
    assert addresses <= {"127.0.0.1", "::1"}, addresses
    with socket.create_connection(("127.0.0.1", port), 2):
        pass


def family(process):
    root = psutil.Process(process.pid)
    return [root, *root.children(recursive=True)]


def test_no_secret_stands_in_the_log(process):
    log = process[2].read_text()
    assert SECRET not in log
    assert "Signature=" not in log
