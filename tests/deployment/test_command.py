from __future__ import annotations

import subprocess
import sys

import pytest

from components.deployment.__main__ import main
from components.deployment.loading import read_card
from components.deployment.manifest import verify_folder
from components.lineage.closure import code_digest
from tests.deployment.toy import toy_project

RUN = "change-command"
FACTS = ["0123abcd", "2025-01-02T03:04:05+00:00", "prepared=md5"]


def test_a_folder_with_other_code_than_the_running_one_is_refused(tmp_path, caplog):
    assert main([RUN, str(tmp_path / "version"), *FACTS], tmp_path) == 1
    assert "start the command inside the checkout" in caplog.text


@pytest.mark.slow
def test_a_checkout_makes_the_version_of_its_own_code_and_needs_no_weights(checkout, tmp_path):
    toy_project(checkout, RUN, method={"name": "cva-otsu", "bands": ["B04", "B08"]})
    command = [sys.executable, "-m", "components.deployment", RUN, str(tmp_path / "version"), *FACTS]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version = verify_folder(tmp_path / "version")
    assert (version.run, version.id) == (RUN, done.stdout.strip())
    assert read_card(tmp_path / "version") == ("change", code_digest("change", checkout))
    assert not [name for name in version.digests if "weights" in name]
