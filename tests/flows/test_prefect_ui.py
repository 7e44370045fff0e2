"""The whole way as a person walks it: the form in the Prefect UI, a run in the lifecycle, an answer of the service.

Everything is real: object store, Prefect server, agents, Bento service, Chromium. It works on a clone of the committed
project, so the user's own folder is only read.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from components.raster.cog import write_scene
from components.raster.io import read_scene
from components.simulation.optical import optical_pair
from tests.ingestion.folders import declare, source_folder
from tests.review.projects import answered, drawn, save

ROOT = Path(__file__).resolve().parents[2]
RUN = "change-sandbox"
DVC = [sys.executable, "-m", "dvc"]
SWATH = [sys.executable, "-m", "flows.cli"]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver here; install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, "--disable-component-update", "--window-size=1400,1600"):
        options.add_argument(flag)
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone") / "swath"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    declare(folder)  # the dataset `toy`
    (folder / "data" / "sources" / "toy" / "expectations.yaml").write_text("suite: change-pair\n")
    commit_in(folder, "a dataset of a user's own")
    return folder


def commit_in(clone, message):
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "add", "--all"], cwd=clone, check=True)
    subprocess.run(["git", *author, "commit", "--quiet", "-m", message], cwd=clone, check=True)


def environment(clone):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "PREFECT_"))}
    names = {name: value for name, value in kept.items() if name != "COLUMNS"}  # workers of pytest set it
    return {**names, "SWATH_PROJECT": str(clone), "PYTHONPATH": str(clone)}


@pytest.fixture(scope="module")
def stack(clone):
    subprocess.run([*SWATH, "up", "--detach"], cwd=clone, env=environment(clone), check=True)
    yield dict(line.split("=", 1) for line in (clone / ".swath" / "stack.env").read_text().splitlines())
    subprocess.run([*SWATH, "down"], cwd=clone, env=environment(clone), check=True)


def wait_for(what, seconds, every=1.0, seen=lambda: ""):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = what()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s in vain; seen: {seen()}")


def runs_of(api, flow):
    found = httpx.post(f"{api}/flow_runs/filter", json={"flows": {"name": {"any_": [flow]}}}, timeout=30).json()
    return [(run["state"]["type"], run["state"].get("message"), run["parameters"]) for run in found]


@pytest.fixture(scope="module")
def finished(stack, browser):
    """The lifecycle of the sandbox run, started by clicks in the form of the Prefect UI."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    api = stack["SWATH_PREFECT_API_URL"]
    deployment = httpx.get(f"{api}/deployments/name/lifecycle/lifecycle", timeout=30).json()["id"]
    browser.get(f"{api.removesuffix('/api')}/deployments/deployment/{deployment}/run")
    page = browser.find_element(By.TAG_NAME, "body")
    wait_for(lambda: "which run to bring" in page.text, 60)
    control = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "select.p-native-select__control"), 30)[0]
    Select(control).select_by_value(RUN)
    browser.find_element(By.XPATH, "//button[normalize-space()='Submit']").click()
    wait_for(lambda: runs_of(api, "lifecycle"), 60, seen=lambda: (browser.get_log("browser"), page.text))
    browser.get("about:blank")  # the page that a run leads to is alive, and drawing it takes a good part of a core
    return wait_for(lambda: [run for run in runs_of(api, "lifecycle") if run[0] not in RUNNING], 1200, 3.0)[0]


RUNNING = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


def test_a_lifecycle_started_from_the_form_completes(finished):
    state, message, parameters = finished
    assert state == "COMPLETED", message
    assert parameters["run"] == RUN


def test_the_form_offers_every_run_and_refuses_others(stack):
    api = stack["SWATH_PREFECT_API_URL"]
    deployment = httpx.get(f"{api}/deployments/name/train/train", timeout=30).json()
    choices = deployment["parameter_openapi_schema"]["properties"]["run"]["enum"]
    assert choices == sorted(path.stem for path in ROOT.glob("components/tasks/*/params/*.yaml"))
    url = f"{api}/deployments/{deployment['id']}/create_flow_run"
    assert httpx.post(url, json={"parameters": {"run": "nonsense"}}, timeout=30).status_code in (409, 422)


def test_the_flow_and_dvc_repro_give_equal_reports(finished, clone):
    branches = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname:short)", f"refs/heads/runs/{RUN}"],
        cwd=clone, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    report = f"data/reports/{RUN}.json"
    of_flow = subprocess.run(["git", "show", f"{branches[-1]}:{report}"], cwd=clone, capture_output=True, check=True)
    other = clone.parent / "by-dvc"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(other)], check=True)
    env = {**environment(other), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("PYTHONPATH")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--force", f"evaluate-{RUN}"], cwd=other, env=env, check=True)
    assert (other / report).read_bytes() == of_flow.stdout


def test_the_service_answers_with_the_promoted_version(finished, stack, tmp_path):
    url = stack["SWATH_SERVICE_URL"]
    pair = optical_pair(4242, (128, 160))
    for name, scene in (("before", pair.before), ("after", pair.after)):
        write_scene(scene, tmp_path / f"{name}.tif")
    files = {name: (tmp_path / f"{name}.tif").read_bytes() for name in ("before", "after")}
    answer = httpx.post(f"{url}/change", files=files, data={"run": RUN}, timeout=60)
    assert answer.status_code == 200, answer.text
    (tmp_path / "change.tif").write_bytes(answer.content)
    change = read_scene(tmp_path / "change.tif")
    assert change.grid.same_as(pair.before.grid)
    assert answer.headers["x-swath-version"] in httpx.get(f"{url}/models", timeout=30).text


def swath(clone, *arguments):
    """What a command printed; its flow run was followed to the end."""
    done = subprocess.run(
        [*SWATH, *map(str, arguments)], cwd=clone, env=environment(clone), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def merged(clone, said):
    """The branch that a command named, brought home as it says."""
    branch = re.search(r"runs/toy/\w+", said)[0]
    swath(clone, "merge", branch)
    return branch


def test_a_user_s_own_dataset_is_ingested_checked_corrected_and_its_old_version_stays(stack, clone, tmp_path):
    merged(clone, swath(clone, "ingest", "toy", source_folder(tmp_path)))
    merged(clone, swath(clone, "qa", "toy", "--keep"))
    assert (clone / "data" / "sources" / "toy" / "quarantine.parquet").is_file()
    api = stack["SWATH_PREFECT_API_URL"]
    found = httpx.post(f"{api}/artifacts/latest/filter", json={}, timeout=30).json()
    told = {artifact["key"]: artifact["data"] for artifact in found}
    assert "image-sees-the-label" in told["toy-annotation-qa"]

    raw, folder = clone / "data" / "sources" / "toy" / "raw", clone / ".swath" / "review" / "toy-random-0"
    subprocess.run([*DVC, "checkout", f"{raw}.dvc"], cwd=clone, env=environment(clone), check=True)
    before = read_scene(raw / "scenes" / "a_1" / "mask.tif").array.copy()
    swath(clone, "review", "export", "toy", "--chip-px", "16", "--count", "12")
    tasks = answered(folder)
    for task in tasks:
        task["annotations"][0]["result"] = [drawn("burned", [[0, 0], [100, 0], [100, 100], [0, 100]])]
    pointer = (raw.parent / "raw.dvc").read_text()
    merged(clone, swath(clone, "review", "import", "toy-random-0", save(tasks, tmp_path / "answer.json")))
    assert (raw.parent / "raw.dvc").read_text() != pointer
    subprocess.run([*DVC, "checkout", f"{raw}.dvc"], cwd=clone, env=environment(clone), check=True)
    after = read_scene(raw / "scenes" / "a_1" / "mask.tif").array
    assert (after == 4).sum() > (before == 4).sum()
    assert "toy-random-0" in swath(clone, "review", "status")
    assert (
        pointer
        in subprocess.run(
            ["git", "show", "HEAD^:data/sources/toy/raw.dvc"], cwd=clone, capture_output=True, text=True, check=True
        ).stdout
    )


def test_the_run_left_artifacts_that_a_person_wants(finished, stack):
    found = httpx.post(f"{stack['SWATH_PREFECT_API_URL']}/artifacts/latest/filter", json={}, timeout=30).json()
    keys = {artifact["key"] for artifact in found}
    assert {f"{RUN}-report", f"{RUN}-decision", f"{RUN}-lineage", "sandbox-optical-annotation-qa"} <= keys


def test_the_run_left_no_checkout_behind(finished, clone):
    assert not [path for path in (clone / ".swath" / "checkouts").glob("*") if path.is_dir()]
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def processes_in(clone, word):
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = " ".join(process.info["cmdline"] or ())
        if word in line and str(process.info["cwd"] or "").startswith(str(clone)):
            found.append(process)
    return found


@pytest.fixture
def training(finished, stack, clone):
    """A fresh training in flight: a commit with another seed, so that nothing can be restored."""
    params = clone / "components" / "tasks" / "change" / "params" / f"{RUN}.yaml"
    params.write_text(params.read_text().replace("\nseed: ", "\nseed: 9"))
    commit_in(clone, "another seed")
    api = stack["SWATH_PREFECT_API_URL"]
    deployment = httpx.get(f"{api}/deployments/name/train/train", timeout=30).json()["id"]
    body = {"parameters": {"run": RUN}, "state": {"type": "SCHEDULED"}}
    run = httpx.post(f"{api}/deployments/{deployment}/create_flow_run", json=body, timeout=30).json()["id"]
    wait_for(lambda: processes_in(clone, "-m components.training"), 180)
    return run


def state_of(stack, run):
    return httpx.get(f"{stack['SWATH_PREFECT_API_URL']}/flow_runs/{run}", timeout=30).json()["state"]["type"]


def nothing_is_left(clone):
    folders = [path for path in (clone / ".swath" / "checkouts").glob("*") if path.is_dir()]
    return not folders and not processes_in(clone, "-m components.training")


def test_a_run_cancelled_in_the_ui_ends_at_once_and_leaves_nothing(training, stack, clone):
    cancel = {"state": {"type": "CANCELLING"}}
    url = f"{stack['SWATH_PREFECT_API_URL']}/flow_runs/{training}/set_state"
    assert httpx.post(url, json=cancel, timeout=30).json()["status"] == "ACCEPT"
    wait_for(lambda: state_of(stack, training) == "CANCELLED", 60)
    wait_for(lambda: nothing_is_left(clone), 30)


def test_a_killed_agent_leaves_a_terminal_run_and_a_free_slot(training, stack, clone):
    agent = next(iter(processes_in(clone, "--name gpu-agent")))
    for process in (*agent.children(recursive=True), agent):
        if "components" not in " ".join(process.cmdline()):  # trainers end by themselves when their flow is gone
            process.kill()
    wait_for(lambda: state_of(stack, training) == "CRASHED", 150)
    wait_for(lambda: not processes_in(clone, "-m components.training"), 30)
    wait_for(lambda: processes_in(clone, "--name gpu-agent"), 60)  # the supervisor started another
