"""Runs in service without a store: `swath predict` takes them as they stand in the project, before any training."""

from pathlib import Path

import numpy as np
import torch
from typer.testing import CliRunner

from components.deployment import loading
from components.deployment.loading import LoadedVersion
from components.raster.cog import write_scene
from components.simulation.radar_optical import radar_optical
from components.tasks import load_run
from flows import cli
from flows.commands import predict


def serve(monkeypatch):
    """Every run is in service with first weights."""

    def load(run):
        torch.manual_seed(0)
        task, params = load_run(run)
        method = task.methods(params).candidate
        return LoadedVersion(run, "0" * 12, Path(), params.task, "", task, task.spec(params), params, method)

    monkeypatch.setattr(predict, "fetched", lambda _, run: run)
    monkeypatch.setattr(loading, "load_version", load)


def swath(*arguments):
    """`swath predict` with these arguments."""
    return CliRunner().invoke(cli.app, ["predict", *map(str, arguments)], catch_exceptions=True)


def displaced_pair(folder, u, v):
    """Files of a radar scene of 192 px squared, and of the optical scene of its ground displaced by whole pixels."""
    made = radar_optical(7, (192, 192))
    moving = made.moving.with_array(np.roll(made.moving.array, (v, u), (1, 2)))
    paths = folder / "s1.tif", folder / "s2.tif"
    for path, scene in zip(paths, (made.reference, moving), strict=True):
        write_scene(scene, path)
    return paths
