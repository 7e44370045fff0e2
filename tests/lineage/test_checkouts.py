from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from components.errors import LineageBroken
from components.lineage.checkouts import checkout, prune, uncommitted
from components.lineage.remote import Remote
from tests.lineage.toy import ROOT, commit_all, is_clean, run_git

HOLD = """
import pathlib, signal, sys, time
from components.lineage.checkouts import checkout
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
with checkout(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_checkout_holds_the_commit_and_not_the_users_changes(project):
    (project / "models/toy.py").write_text("NET = 'edited'\n")
    with checkout(project, "HEAD", name="run") as work:
        assert work.path.parent == project / ".swath/checkouts"
        assert (work.path / "models/toy.py").read_text() == "NET = 'net'\n"
        assert work.commit == run_git(project, "rev-parse", "HEAD")
    assert not work.path.exists()


def test_uncommitted_changes_are_named(project):
    (project / "models/toy.py").write_text("NET = 'edited'\n")
    (project / "models/new one.py").write_text("")
    run_git(project, "rm", "--quiet", "--cached", "components/typed.py")
    assert uncommitted(project) == ("components/typed.py", "models/new one.py", "models/toy.py")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_checkout_is_removed_however_the_run_ends(project, error):
    with pytest.raises(error), checkout(project):
        raise error
    assert is_clean(project)


def _holding(project):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(project)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_checkout_is_removed_when_its_process_is_ended(project, number, code):
    process = _holding(project)
    assert not is_clean(project)
    process.send_signal(number)
    assert process.wait(120) == code
    assert is_clean(project)


def test_the_checkout_of_a_killed_process_is_removed_by_the_next(project):
    process = _holding(project)
    assert prune(project) == ()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(120)
    with checkout(project):
        pass
    assert is_clean(project)


def test_a_commit_for_other_packages_is_refused(project):
    (project / "requirements.lock").write_text("nothing==2.0\n")
    with pytest.raises(LineageBroken, match=r"requirements\.lock differs"), checkout(project):
        pass
    run_git(project, "checkout", "--quiet", "--", ".")
    assert is_clean(project)


def test_an_unknown_commit_is_refused(project):
    with pytest.raises(LineageBroken, match="no commit nowhere"), checkout(project, "nowhere"):
        pass
    assert is_clean(project)


def test_keys_are_readable_by_their_owner_only_and_never_shown(project):
    remote = Remote("s3://bucket/x", "http://127.0.0.1:1", "key", "a-secret")
    with checkout(project, remote=remote) as work:
        config = work.path / ".dvc/config.local"
        assert config.stat().st_mode & 0o777 == 0o600
        assert "secret_access_key = a-secret" in config.read_text()
        assert "verify = true" in config.read_text()
        assert "a-secret" not in repr(work)
        assert not run_git(work.path, "status", "--porcelain")


def test_a_commit_can_come_from_another_repository(project, tmp_path):
    agent = tmp_path / "agent"
    run_git(tmp_path, "clone", "--quiet", str(project), str(agent))
    (project / "models/toy.py").write_text("NET = 'newer'\n")
    commit = commit_all(project, "newer")
    with checkout(agent, commit, source=str(project)) as work:
        assert (work.path / "models/toy.py").read_text() == "NET = 'newer'\n"
    assert is_clean(agent)


def test_ten_checkouts_at_once_all_succeed(project):
    commits = []

    def run():
        with checkout(project) as work:
            commits.append(run_git(work.path, "rev-parse", "HEAD"))

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(commits) == 10
    assert is_clean(project)
