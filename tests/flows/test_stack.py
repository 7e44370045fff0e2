import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from components.errors import ServiceUnavailable
from components.settings import Settings, load_settings
from flows.stack.doctor import findings
from flows.stack.processes import Service, free_port, start, stop, wait_ready
from flows.stack.state import clear_state, read_state, secret_key, want_bento, wanted_bento, write_env, write_state

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', '{SLEEP}']); time.sleep(60)"


def service(tmp_path, code=SLEEP, ready=lambda: True, patience_s=5.0):
    command = [sys.executable, "-c", code]
    return Service("probe", command, {}, "http://x", ready, tmp_path, tmp_path / "probe.log", patience_s=patience_s)


def test_stopping_a_service_ends_its_children_too(tmp_path):
    running = start(service(tmp_path, PARENT))
    parent = psutil.Process(running.process.pid)
    deadline = time.monotonic() + 20
    while not parent.children() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = parent.children()
    assert children
    stop(running)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_a_service_that_ignores_the_request_is_killed(tmp_path):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    running = start(service(tmp_path, stubborn, patience_s=0.5))
    deadline = time.monotonic() + 20
    while "up" not in (tmp_path / "probe.log").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    stop(running)
    assert running.process.returncode == -signal.SIGKILL


def test_a_service_that_dies_names_its_log(tmp_path):
    running = start(service(tmp_path, "raise SystemExit(7)", ready=lambda: False))
    with pytest.raises(ServiceUnavailable, match=r"code 7.*probe\.log"):
        wait_ready(running, 20)


def test_a_taken_port_gives_way_to_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]


def test_the_state_of_a_dead_supervisor_counts_as_down(tmp_path):
    code = (
        "from pathlib import Path; from flows.stack.state import write_state;"
        f"write_state(Path({str(tmp_path)!r}), (), ready=True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "stack.json").is_file()
    assert read_state(tmp_path) is None
    write_state(tmp_path, (), ready=True)
    assert read_state(tmp_path).pid == os.getpid()


def test_settings_of_a_running_stack_are_found_and_private(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("SWATH_"):
            monkeypatch.delenv(name)
    settings = Settings(project=tmp_path, store_endpoint="127.0.0.1:9", store_secret_key=secret_key(tmp_path))
    write_env(settings)
    found = load_settings(tmp_path)
    assert found.store_endpoint == "127.0.0.1:9"
    assert found.store_secret_key.get_secret_value() == secret_key(tmp_path)
    assert (tmp_path / ".swath" / "stack.env").stat().st_mode & 0o077 == 0
    assert secret_key(tmp_path) not in repr(found)
    clear_state(settings.home)
    assert load_settings(tmp_path).store_endpoint != "127.0.0.1:9"


def test_the_wanted_bento_is_remembered(tmp_path):
    assert wanted_bento(tmp_path) == ""
    want_bento(tmp_path, tmp_path / "bentos" / "x")
    assert wanted_bento(tmp_path).endswith("bentos/x")


def test_looking_for_another_bento_leaves_the_store_s_files_alone(tmp_path):
    from flows.stack.plan import serve_command

    settings = Settings(project=tmp_path)
    before = serve_command(settings)
    want_bento(settings.home, tmp_path / "other")
    assert str(tmp_path / "other") in serve_command(settings)
    assert before != serve_command(settings)
    assert not (settings.home / "store").exists()


def test_the_doctor_names_a_package_that_differs_from_the_lock(tmp_path):
    (tmp_path / "requirements.lock").write_text("# pins\nnumpy==0.0.1  # never\n")
    texts = [finding.text for finding in findings(Settings(project=tmp_path)) if not finding.good]
    assert any("numpy" in text and "make setup" in text for text in texts)
