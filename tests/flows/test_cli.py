import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from flows import cli

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = typer.main.get_command(cli.app).commands
NAMED = [
    "up",
    "token",
    "down",
    "status",
    "doctor",
    "demo",
    "runs",
    "ingest",
    "qa",
    "train",
    "evaluate",
    "deploy",
    "lifecycle",
    "merge",
    "predict",
    "promote",
    "rollback",
    "review",
]


def swath(*arguments, **environment):
    import os

    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_every_promised_command_is_there():
    assert sorted(COMMANDS) == sorted(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_every_command_has_an_example_in_its_help(name):
    shown = CliRunner().invoke(cli.app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"swath {name}" in shown.output


def test_an_unknown_run_is_one_sentence_with_the_known_ones():
    done = swath("train", "change-nothing")
    assert done.returncode == 1
    assert "change-sandbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback():
    done = swath("--debug", "train", "change-nothing")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_flow_without_a_stack_says_how_to_start_one(tmp_path):
    done = swath("train", "change-sandbox", SWATH_PROJECT=str(tmp_path))
    assert done.returncode == 1
    assert "swath up" in done.stderr


def test_status_without_a_stack_has_its_own_exit_code(tmp_path):
    assert swath("status", SWATH_PROJECT=str(tmp_path)).returncode == 3


def test_a_source_folder_that_is_missing_is_named(tmp_path):
    done = swath("ingest", "california-fires", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "nowhere" in done.stderr
