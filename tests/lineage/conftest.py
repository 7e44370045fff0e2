from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lineage.toy import all_made, make_project


@pytest.fixture(scope="session")
def _fresh(tmp_path_factory) -> Path:
    return make_project(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def _made(_fresh, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "project"
    shutil.copytree(_fresh, folder)
    return all_made(folder)


@pytest.fixture
def project(_fresh, tmp_path) -> Path:
    """A committed toy project in which nothing has been run."""
    return Path(shutil.copytree(_fresh, tmp_path / "project"))


@pytest.fixture
def made(_made, tmp_path) -> Path:
    """The toy project after `dvc repro`, committed, with its cache."""
    return Path(shutil.copytree(_made, tmp_path / "project", symlinks=True))
