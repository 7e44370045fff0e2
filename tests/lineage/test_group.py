from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from components.errors import StageFailed
from components.lineage.group import run_group
from tests.lineage.toy import ROOT

# A command that leaves a stubborn grandchild behind, as a shell does with a trainer.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint('up', flush=True)\\ntime.sleep(60)"])
print("child", child.pid, flush=True)
time.sleep(60)
"""
OUTER = """
import os, pathlib, sys
from components.lineage.group import run_group
def say(line):
    print(line, flush=True)
run_group([sys.executable, "-c", sys.argv[1]], pathlib.Path.cwd(), os.environ, on_line=say, grace_s=0.3)
"""


def _gone(pid, within_s=10.0):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_lines_and_exit_code_come_back(tmp_path):
    lines = []
    command = [sys.executable, "-c", "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"]
    done = run_group(command, tmp_path, os.environ, on_line=lines.append)
    assert (done.code, sorted(lines), sorted(done.tail)) == (3, ["one", "two"], ["one", "two"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_of_a_group_outlives_an_error_here(tmp_path, error):
    children = []

    def listen(line):
        if line.startswith("child"):
            children.append(int(line.split()[1]))
        if line == "up":
            raise error

    with pytest.raises(error):
        run_group([sys.executable, "-c", FAMILY], tmp_path, os.environ, on_line=listen, grace_s=0.3)
    assert _gone(children[0], within_s=0.5)


def test_nothing_of_a_group_outlives_us_when_we_are_killed():
    outer = subprocess.Popen([sys.executable, "-c", OUTER, FAMILY], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    first, second = outer.stdout.readline(), outer.stdout.readline()
    outer.kill()
    outer.wait()
    assert {first.split()[0], second.split()[0]} == {"child", "up"}
    assert _gone(int((first + second).replace("up", "").split()[1]))


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    began = time.monotonic()
    with pytest.raises(StageFailed, match="longer than 1 s"):
        run_group([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, os.environ, timeout_s=1.0)
    assert time.monotonic() - began < 10


def test_a_command_has_time_to_save_before_it_is_ended(tmp_path):
    saver = (
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.5); open('saved', 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('up', flush=True)\ntime.sleep(60)"
    )

    def listen(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_group([sys.executable, "-c", saver], tmp_path, os.environ, on_line=listen, grace_s=10.0)
    assert (tmp_path / "saved").exists()
