from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from components.deployment.bento import bento_folder, build_bento
from components.errors import LineageBroken
from components.lineage.closure import code_digest


@pytest.fixture(scope="module")
def bento(checkout, tmp_path_factory):
    home = tmp_path_factory.mktemp("bentoml")
    return bento_folder(build_bento(checkout, home, "0123abcd"), home)


def test_a_folder_without_the_service_is_refused(tmp_path):
    with pytest.raises(LineageBroken, match="no serving/service"):
        build_bento(tmp_path, tmp_path, "0123abcd")


@pytest.mark.slow
def test_a_bento_runs_the_same_code_as_its_checkout(bento, checkout):
    assert code_digest("change", bento / "src") == code_digest("change", checkout)


@pytest.mark.slow
def test_a_bento_says_its_commit_and_code_and_holds_no_weights(bento, checkout):
    labels = yaml.safe_load((bento / "bento.yaml").read_text())["labels"]
    assert labels["commit"] == "0123abcd"
    assert code_digest("change", checkout).startswith(labels["code_change"])
    assert not [path for path in bento.rglob("*") if path.suffix in (".safetensors", ".pt", ".tif", ".env")]


@pytest.mark.slow
def test_the_service_can_be_imported_from_the_bento_alone(bento):
    code = "import serving.startup, serving.service, sys; print(serving.service.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=bento / "src", capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(bento / "src"))
