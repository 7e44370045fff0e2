from __future__ import annotations

import stat

import pytest

from components.storage.embedded import weed_command, weed_ready
from components.storage.store import Store, StoreAccess
from tests.conftest import QUICK, SECRET, free_endpoint, start_weed

pytestmark = pytest.mark.service


def test_the_secret_is_on_no_command_line_and_in_one_private_file(tmp_path):
    command = weed_command(tmp_path, free_endpoint(), "swath", SECRET)
    assert SECRET not in " ".join(command)
    assert stat.S_IMODE((tmp_path / "s3.json").stat().st_mode) == 0o600


def test_the_inner_ports_stay_the_same_between_starts(tmp_path):
    endpoint = free_endpoint()
    assert weed_command(tmp_path, endpoint, "a", "b") == weed_command(tmp_path, endpoint, "a", "b")


def test_nothing_at_an_endpoint_is_not_ready():
    assert not weed_ready(free_endpoint())


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_killed_store(tmp_path):
    endpoint = free_endpoint()
    store = Store(StoreAccess(endpoint, "swath", SECRET), QUICK)
    process = start_weed(tmp_path, endpoint)
    try:
        store.ensure_bucket()
        keys = [store.put_blob(bytes([n]) * 5000) for n in range(60)]
    finally:
        process.kill()
        process.wait()
    process = start_weed(tmp_path, endpoint)
    try:
        assert [store.get(key).data for key in keys] == [bytes([n]) * 5000 for n in range(60)]
        store.probe_conditional_writes()
    finally:
        process.kill()
        process.wait()
