"""`swath predict --refine`: the flow of a network matched again in windows, and refused where there is no flow."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from components.deployment import loading
from components.deployment.loading import LoadedVersion
from components.errors import BadParams
from components.raster.cog import write_scene
from components.raster.io import read_scene
from components.simulation.radar_optical import radar_optical
from components.tasks import load_run
from flows import cli
from flows.commands import predict

U, V = 2, -1


@pytest.fixture(autouse=True)
def _in_service(monkeypatch):
    """Every run is in service with first weights: before training, `coregistration-pwcnet` says its matched start."""

    def load(run):
        torch.manual_seed(0)
        task, params = load_run(run)
        method = task.methods(params).candidate
        return LoadedVersion(run, "0" * 12, Path(), params.task, "", task, task.spec(params), params, method)

    monkeypatch.setattr(predict, "fetched", lambda _, run: run)
    monkeypatch.setattr(loading, "load_version", load)


@pytest.fixture
def pair(tmp_path):
    """Files of a radar scene, and of the optical scene of its ground displaced by whole pixels."""
    made = radar_optical(7, (192, 192))
    moving = made.moving.with_array(np.roll(made.moving.array, (V, U), (1, 2)))
    paths = tmp_path / "s1.tif", tmp_path / "s2.tif"
    for path, scene in zip(paths, (made.reference, moving), strict=True):
        write_scene(scene, path)
    return paths


def swath(*arguments):
    return CliRunner().invoke(cli.app, ["predict", *map(str, arguments)], catch_exceptions=True)


def errors(run, pair, out, *options):
    """How far the flow is off, median over the inner pixels, in px."""
    done = swath(run, *pair, "-o", out, "--flow", out.with_name("flow.tif"), *options)
    assert done.exit_code == 0, done.exception
    flow = read_scene(out.with_name("flow.tif")).array[:, 32:-32, 32:-32]
    return float(np.median(np.hypot(flow[0] - U, flow[1] - V)))


def test_the_flow_of_a_network_is_matched_again(pair, tmp_path):
    own = errors("coregistration-pwcnet", pair, tmp_path / "own.tif")
    again = errors("coregistration-pwcnet", pair, tmp_path / "again.tif", "--refine")
    assert again < 0.9 * own
    assert (read_scene(tmp_path / "own.tif").array != read_scene(tmp_path / "again.tif").array).any()


def test_a_run_without_a_flow_says_so(pair, tmp_path):
    done = swath("change-sandbox", *pair, "-o", tmp_path / "a.tif", "--refine")
    assert isinstance(done.exception, BadParams)
    assert "this run has none, leave it out" in str(done.exception)
    assert not (tmp_path / "a.tif").exists()
