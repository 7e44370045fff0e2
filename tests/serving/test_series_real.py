"""The real OPERA stack sent to the service: 504 files in one form, as its publisher names them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
import pytest

from components.deployment.registry import Registry
from components.inference.files import predict_file
from components.raster.dated import dated_stack
from components.raster.io import read_scene
from components.raster.opening import open_untrusted
from components.storage.store import Store
from serving.slots import Slots
from tests.conftest import QUICK
from tests.deployment.toy import CODE
from tests.serving.radar import as_series, register

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
STACK = REAL / "change_sar" / "opera_rtc_s1_10SGD"

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not STACK.is_dir(), reason=f"no real samples at {STACK}; set SWATH_REAL_DATA"),
]


def test_a_whole_opera_stack_gives_what_the_command_line_gives(client_of, moto_store, tmp_path):
    registry, run = Registry(Store(moto_store, QUICK)), f"change-sar-{uuid.uuid4().hex[:8]}"
    registry.promote(run, register(registry, tmp_path, "change", run))
    slots = Slots(registry, tmp_path / "cache", lambda task: CODE, only=[run])
    slots.look()
    client, files = client_of(slots), as_series(sorted(STACK.rglob("*.tif")))
    answer = client.post("/change/series", files=files)
    assert answer.status_code == 200, answer.text
    method, out = slots.current(run).method, tmp_path / "cli.tif"
    predict_file(method, {"series": dated_stack(STACK)}, out, output="change")
    change = open_untrusted(answer.content)
    np.testing.assert_array_equal(change.array, read_scene(out).array)
    share = (change.array == 1).sum() / (change.array != 255).sum()
    assert 0.04 < share < 0.08
