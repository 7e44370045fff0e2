"""Rules on label noise where truth is exact: silent on it, and each planted fault found."""

import numpy as np
import pytest

from components.annotation.noise import estimate_noise
from components.annotation.noise_params import NoiseParams
from components.simulation.optical import optical_pair
from tests.annotation.noisy import with_label, written
from tests.annotation.test_noise import broken, limits

pytestmark = pytest.mark.slow
SHAPE = (160, 160)


def places(count=10):
    pairs = {f"terra-{seed:02d}": optical_pair(seed, SHAPE) for seed in range(1, count + 1)}
    return {name: {"before": p.before, "after": p.after, "mask": p.change} for name, p in pairs.items()}


def test_exact_labels_break_no_rule_and_four_faults_break_one_each(tmp_path):
    scenes = places()
    allowed = limits(tmp_path)
    noise = estimate_noise(written(tmp_path / "clean", scenes), NoiseParams(pixels=800, iterations=40))
    assert not set().union(*broken(noise, allowed).values())

    codes = {name: roles["mask"].array[0].copy() for name, roles in scenes.items()}
    codes["terra-01"] = np.roll(codes["terra-01"], (6, 5), (0, 1))
    codes["terra-02"][:] = 0
    codes["terra-04"] = codes["terra-09"].copy()  # the label of another place
    codes["terra-07"][40:80, 90:130] = 1
    faulty = {name: with_label(roles, codes[name]) for name, roles in scenes.items()}
    noise = estimate_noise(written(tmp_path / "faulty", faulty), NoiseParams(pixels=800, iterations=40))
    found = set().union(*broken(noise, allowed).values())
    assert found >= {"terra-01", "terra-02", "terra-04", "terra-07"}
