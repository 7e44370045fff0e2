"""`swath predict --refine`: the flow of a network matched again in windows, and refused where there is no flow."""

import numpy as np
import pytest

from components.errors import BadParams
from components.raster.io import read_scene
from tests.flows.in_service import displaced_pair, serve, swath

U, V = 2, -1


@pytest.fixture(autouse=True)
def _in_service(monkeypatch):
    """Every run is in service with first weights: before training, `coregistration-pwcnet` says its matched start."""
    serve(monkeypatch)


@pytest.fixture
def pair(tmp_path):
    """Files of a radar scene, and of the optical scene of its ground displaced by whole pixels."""
    return displaced_pair(tmp_path, U, V)


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
