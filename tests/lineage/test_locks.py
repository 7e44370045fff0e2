from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from components.errors import LineageBroken
from components.lineage.lease import lease
from components.lineage.locks import held, is_free
from tests.lineage.toy import ROOT

HOLD = """
import pathlib, sys, time
from components.lineage.locks import held
with held(pathlib.Path(sys.argv[1]), "the other", 1.0):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_waits_for_the_first(tmp_path):
    order, lock = [], tmp_path / "a.lock"

    def second():
        with held(lock, "second", 10.0) as waited:
            order.append(("second", waited))

    with held(lock, "first", 1.0) as waited:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append(("first", waited))
    thread.join()
    assert order == [("first", False), ("second", True)]


def test_waiting_ends_with_the_name_of_the_holder(tmp_path):
    lock = tmp_path / "a.lock"
    with held(lock, "a long merge", 1.0), pytest.raises(LineageBroken, match="a long merge"), held(lock, "b", 0.2):
        pass


def test_a_killed_holder_frees_its_lock(tmp_path):
    lock = tmp_path / "a.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    assert not is_free(lock)
    process.kill()
    process.wait()
    assert is_free(lock)


def test_a_lease_is_for_commit_stage_and_parameters(tmp_path):
    with (
        lease(tmp_path, "c", "train-a", "p"),
        lease(tmp_path, "c", "train-b", "p", timeout_s=0.1),
        lease(tmp_path, "c", "train-a", "q", timeout_s=0.1),
        lease(tmp_path, "d", "train-a", "p", timeout_s=0.1),
        pytest.raises(LineageBroken, match="train-a of c"),
        lease(tmp_path, "c", "train-a", "p", timeout_s=0.1),
    ):
        pass
