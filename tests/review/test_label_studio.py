"""A real Label Studio: a review goes there, is corrected through its API, and comes back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from components.errors import ServiceUnavailable
from components.review.importing import read_annotations
from components.review.merging import merge
from components.review.server import LabelStudio
from flows.stack.label_studio import command, environment, make_access
from tests.conftest import free_endpoint
from tests.review.projects import WINDOW, codes, drawn, make_dataset, review, save

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-label-studio"
PINNED = re.search(r"^LABEL_STUDIO := (\S+)$", (ROOT / "Makefile").read_text(), re.M)
READY_WITHIN_S = 600  # the first start makes the tables: minutes on a busy machine
SQUARE = [[0.0, 0.0], [25.0, 0.0], [25.0, 25.0], [0.0, 25.0]]

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(900)]


def program() -> Path:
    """Label Studio in its environment, which is made where it is missing."""
    found = VENV / "bin" / "label-studio"
    if found.is_file():
        return found
    uv = shutil.which("uv") or pytest.skip("no uv to make .venv-label-studio with; run `make label-studio` once")
    assert PINNED
    for arguments in (["venv", str(VENV)], ["pip", "install", "--python", str(VENV / "bin" / "python"), PINNED[1]]):
        done = subprocess.run([uv, *arguments], capture_output=True, text=True, timeout=500, check=False)
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            pytest.skip(f"{PINNED[1]} cannot be installed here: {done.stderr.strip()[-200:]}")
    return found


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    home = tmp_path_factory.mktemp("home")
    port = int(free_endpoint().rpartition(":")[2])
    access = make_access(home, port)
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(program(), port), env=environment(home, access), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + READY_WITHIN_S
        while not is_ready(access["url"]):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.5)
        yield LabelStudio(access["url"], access["token"])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def submit(studio: LabelStudio, task: dict, result: list, **more: object) -> None:
    """What the browser sends when a person presses Submit."""
    headers = {"Authorization": f"Token {studio._token}"}
    url = f"{studio.url}/api/tasks/{task['id']}/annotations/"
    httpx.post(url, headers=headers, json={"result": result, **more}, timeout=30).raise_for_status()


def test_no_secret_of_the_account_stands_on_a_command_line(studio: LabelStudio) -> None:
    port = studio.url.rpartition(":")[2]
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    own = [line for line in lines if "label-studio" in line and port in line]
    assert own, "the server runs"
    assert not [line for line in own if studio._token in line or "--password" in line]


def test_a_review_goes_to_label_studio_and_comes_back(studio: LabelStudio, tmp_path: Path) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "review"
    project, before = review(raw, out), codes(raw)
    number = studio.create(project, out)
    assert studio.create(project, out) == number  # again is the same project, without a second task
    (task,) = studio.annotations(project)
    assert task["annotations"] == []
    picture = httpx.get(f"{studio.url}{task['data']['after']}", headers={"Authorization": f"Token {studio._token}"})
    assert picture.content == (out / "tiles" / "a-16-16-after.png").read_bytes()

    drawn_before = json.loads((out / "tasks.json").read_text())[0]["predictions"][0]["result"]
    submit(studio, task, [*drawn_before, drawn("changed", SQUARE, image_rotation=0)])
    found = read_annotations(project, save(studio.annotations(project), tmp_path / "answer.json"))
    report = merge(raw, project, found.corrections, found.form)
    expected = before.copy()
    expected[WINDOW.row : WINDOW.row + 8, WINDOW.col : WINDOW.col + 8] = 1
    assert np.array_equal(codes(raw), expected)
    assert report.changed == ("a@16,16",)
    assert found.corrections[0].by == "swath@localhost.local"

    again = read_annotations(project, save(studio.annotations(project), tmp_path / "answer.json"))
    assert merge(raw, project, again.corrections, again.form).known == ("a@16,16",)


def test_no_storage_is_attached_so_none_can_be_source_and_target(studio: LabelStudio, tmp_path: Path) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "review"
    number = studio.create(review(raw, out), out)
    headers = {"Authorization": f"Token {studio._token}"}
    for kind in ("", "/export"):
        found = httpx.get(f"{studio.url}/api/storages{kind}?project={number}", headers=headers, timeout=30)
        assert found.json() == []


def test_a_wrong_token_is_one_sentence(studio: LabelStudio, tmp_path: Path) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "review"
    with pytest.raises(ServiceUnavailable, match="refuses the token"):
        LabelStudio(studio.url, "0" * 40).create(review(raw, out), out)


def test_a_review_that_the_server_does_not_know_is_named(studio: LabelStudio, tmp_path: Path) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "review"
    project = review(raw, out, WINDOW.padded(3, (64, 64)))
    with pytest.raises(ServiceUnavailable, match=project.id):
        studio.annotations(project)
