"""The real thing: `bentoml serve` as a process, with a SeaweedFS store and a network of the change task."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import hypothesis
import psutil
import pytest
import schemathesis
import torch
import yaml
from hypothesis import HealthCheck, given
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
from flows.stack.plan import KEEP_ALIVE_S
from serving.drift import read_statistics
from tests.conftest import QUICK, SECRET, free_endpoint
from tests.deployment.toy import provenance, scene
from tests.serving.radar import UNIT, dates, register

pytestmark = [pytest.mark.service, pytest.mark.slow]
RUN = "change-process"
SERIES_RUNS = {"change": "change-sar-process", "despeckling": "despeckling-process"}
EVERY = list(HealthCheck)
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
    folder = tmp_path_factory.mktemp("radar")
    for task, run in SERIES_RUNS.items():
        registry.promote(run, register(registry, folder, task, run, code=code_digest(task, checkout)))
    home, endpoint = tmp_path_factory.mktemp("project"), free_endpoint()
    settings = {
        "SWATH_PROJECT": home, "SWATH_STORE_ENDPOINT": registry.store.access.endpoint, "SWATH_STORE_SECRET_KEY": SECRET,
        "SWATH_STORE_BUCKET": "swath-serving", "SWATH_MAX_BODY_MB": 64, "SWATH_POLL_S": 0.3,
        "SWATH_BODY_GRACE_S": 5, "SWATH_BODY_RATE": 1000, "SWATH_MAX_WAITING": 8, "TMPDIR": home / "tmp",
        "BENTOML_HOME": home / "bentoml", "BENTOML_DO_NOT_TRACK": "True",
    }  # fmt: skip
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:SwathService"]  # loopback by default
    command += ["--timeout-keep-alive", KEEP_ALIVE_S]  # as the stack does
    (home / "tmp").mkdir()
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


@pytest.mark.parametrize("task", SERIES_RUNS)
def test_a_series_is_answered_by_the_run_that_takes_one(process, tmp_path, task):
    answer = httpx.post(f"{process[0]}/{task}/series", files=dates(tmp_path), data=UNIT, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Swath-Run"] == SERIES_RUNS[task]


@pytest.mark.parametrize(
    "path", ["/change", "/change/series", "/models", "/metrics", "/schema.json", "/livez", "/anything"]
)
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


HEAD = b"""POST /change HTTP/1.1\r
Host: x\r
Content-Type: multipart/form-data; boundary=x\r
Content-Length: 30000000\r
\r
--x\r
Content-Disposition: form-data; name="before"; filename="b.tif"\r
\r
"""


def connected(process):
    raw = socket.create_connection(("127.0.0.1", int(process[0].rsplit(":", 1)[1])), 10)
    raw.sendall(HEAD)
    return raw


def test_a_body_that_drips_is_refused_while_others_are_served(process, pair):
    answer, began = b"", time.monotonic()
    with connected(process) as raw:
        raw.settimeout(0.2)
        while not answer and time.monotonic() - began < 20:
            with suppress(TimeoutError):
                answer = raw.recv(4096)
            with suppress(ConnectionError):
                raw.sendall(b"0")
            assert answer or post(process[0], pair).status_code == 200
        while not answer.endswith(b"}") and time.monotonic() - began < 20:  # the head may come before the sentence
            with suppress(TimeoutError, ConnectionError):
                answer += raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"SWATH_BODY_RATE" in answer
    assert 1.5 < time.monotonic() - began < 15


def test_nothing_is_left_on_disk_after_any_outcome(process, pair):
    large = {**pair, "after": pair["after"] + b"\0" * 3 * 1024**2}
    assert post(process[0], large).status_code == 200
    assert post(process[0], {**large, "before": b"nonsense" * 400_000}).status_code == 400
    for _ in range(3):  # who hangs up in the middle
        with connected(process) as raw:
            raw.sendall(b"\0" * 8 * 1024**2)
    tmp = process[2].with_name("tmp")
    for _ in range(50):
        left = [path.name for path in tmp.iterdir() if path.name.startswith("swath")]
        worker = family(process[1])[-1]
        unnamed = [each.path for each in worker.open_files() if "(deleted)" in each.path and str(tmp) in each.path]
        if not left and not unnamed:
            break
        time.sleep(0.1)
    assert (left, unnamed) == ([], [])


def test_five_hundred_requests_at_once_are_answered_or_told_to_come_back(process, pair):
    async def storm():
        limits = httpx.Limits(max_connections=500)
        async with httpx.AsyncClient(timeout=120, limits=limits) as client:
            asked = [client.post(f"{process[0]}/change", files=pair) for _ in range(500)]
            watching = asyncio.create_task(watch())
            answers = await asyncio.gather(*asked)
            watching.cancel()
            return answers

    alive = []

    async def watch():
        async with httpx.AsyncClient(timeout=20) as client:
            while True:
                began = time.perf_counter()
                answer = await client.get(f"{process[0]}/livez")
                alive.append((answer.status_code, time.perf_counter() - began))
                await asyncio.sleep(0.05)

    before = len(log_lines(process))
    answers = asyncio.run(storm())
    by_status = {status: [a for a in answers if a.status_code == status] for status in (200, 429)}
    assert len(by_status[200]) + len(by_status[429]) == 500
    assert len(by_status[200]) >= 8
    assert all(answer.headers["Retry-After"] for answer in by_status[429])
    assert {status for status, _ in alive} == {200}
    refused = [line["seconds"] for line in log_lines(process)[before:] if line.get("status") == 429]
    assert sorted(refused)[int(0.98 * len(refused))] < 0.1  # a crowded machine may stop the process now and then
    began = time.monotonic()
    assert post(process[0], pair).status_code == 200
    assert time.monotonic() - began < 10


def test_a_balancer_is_answered_within_200_ms_while_threads_compute(process, pair):
    stop, seconds = threading.Event(), []

    def ask():
        while not stop.is_set():
            post(process[0], pair)

    workers = [threading.Thread(target=ask) for _ in range(3)]
    for worker in workers:
        worker.start()
    with httpx.Client(timeout=10) as client:
        for _ in range(60):
            began = time.perf_counter()
            assert client.get(f"{process[0]}/livez").status_code == 200
            seconds.append(time.perf_counter() - began)
            time.sleep(0.05)
    stop.set()
    for worker in workers:
        worker.join()
    seconds.sort()
    assert seconds[-4] < 0.2, seconds[-8:]  # three may have waited for this test's own threads


def log_lines(process):
    """Our own lines in the log of the process: JSON, between those of BentoML."""
    lines = process[2].read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"time"')]


def test_metrics_count_requests_and_name_the_version_beside_bentoml_s_own(process, pair, registry):
    post(process[0], pair)
    text = httpx.get(f"{process[0]}/metrics").text
    assert re.search(rf'swath_requests_total{{.*route="predict",run="{RUN}",status="200",task="change"}} [1-9]', text)
    assert re.search(
        rf'swath_request_seconds_bucket{{le="10.0",route="predict",run="{RUN}",task="change"}} [1-9]', text
    )
    assert re.search(rf'swath_pixels_total{{run="{RUN}",task="change"}} [1-9]', text)
    assert re.search(r"swath_requests_inside(\{.*\})? 0", text)
    assert f'version="{registry.promoted(RUN).version}"' in text
    assert "bentoml_service_request_total" in text


def test_the_log_names_each_request_by_its_id(process, pair):
    answer = httpx.post(f"{process[0]}/change", files=pair, headers={"X-Request-Id": "from-a-test"}, timeout=60)
    assert answer.headers["X-Request-Id"] == "from-a-test"
    for _ in range(50):  # the line comes after the answer
        found = [line for line in log_lines(process) if line.get("request_id") == "from-a-test"]
        if found:
            break
        time.sleep(0.1)
    [line] = found
    assert (line["route"], line["run"], line["status"]) == ("predict", RUN, 200)


def test_statistics_of_inputs_are_kept(process, pair):
    post(process[0], pair)
    rows = read_statistics(process[2].parent / ".swath" / "service" / "inputs.sqlite", RUN)
    assert {(row.input, row.band) for row in rows} == {(i, b) for i in ("before", "after") for b in ("B04", "B08")}


@pytest.mark.filterwarnings("ignore")
def test_schemathesis_finds_no_server_error_in_what_the_document_offers(process):
    document = httpx.get(f"{process[0]}/openapi.json").json()
    asked = Counter()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @hypothesis.settings(
            max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=EVERY
        )
        def ask(case):
            answer = case.call(base_url=process[0])
            asked[case.operation.label] += 1
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)

        ask()
    assert {"POST /change", "GET /models"} <= set(asked)
    assert asked["POST /change"] >= 20
    assert asked["POST /change/series"] >= 20


def examples():
    """The code blocks of the README's section on calling the service, as (language, code)."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    section = readme.split("## Calling the service\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```(bash|python)\n(.*?)```", section, re.DOTALL)


@pytest.mark.parametrize(("language", "code"), examples())
def test_the_examples_of_the_readme_work(process, pair, tmp_path, checkout, language, code):
    if ("/jobs" in code or "submit" in code) and httpx.get(f"{process[0]}/jobs").status_code != 200:
        pytest.skip("this service has no jobs")
    if language == "bash" and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for name, content in pair.items():
        (tmp_path / f"{name}.tif").write_bytes(content)
    for _, (name, content) in dates(tmp_path / "dates"):
        (tmp_path / f"S1_{name}").write_bytes(content)
    code = code.replace("http://127.0.0.1:3000", process[0])
    command = ["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name in set(re.findall(r"\w+\.zip", code)):
        assert zipfile.is_zipfile(tmp_path / name)
    if "change.tif" in code:
        assert open_untrusted((tmp_path / "change.tif").read_bytes()).unit == "class"


def test_no_secret_stands_in_the_log(process):
    log = process[2].read_text()
    assert SECRET not in log
    assert "Signature=" not in log
