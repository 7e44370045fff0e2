from __future__ import annotations

import pytest
import torch

from components.errors import ServiceUnavailable
from tests.deployment.toy import Difference


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_a_prediction_without_memory_is_answered_try_again_and_the_next_one_succeeds(client, pair, monkeypatch, error):
    def full(self, scenes):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Difference, "predict", full)
        answer = client.post("/change", files=pair)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "no memory left" in answer.text
    assert "Tried to allocate" not in answer.text
    assert client.post("/change", files=pair).status_code == 200


def test_a_version_that_no_longer_answers_its_golden_request_leaves_service_until_it_does(
    client, pair, monkeypatch, slots, run
):
    def full(self, scenes):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Difference, "predict", full)
        client.post("/change", files=pair)
        slots.look()
        assert slots.as_json()["models"][0]["state"] == "failed"
        with pytest.raises(ServiceUnavailable, match="out of memory"):
            slots.current(run)
        assert slots.ready
    slots.look()
    assert client.post("/change", files=pair).status_code == 200


def test_any_other_error_of_the_device_is_no_lack_of_memory(client, pair, monkeypatch):
    def broken(self, scenes):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Difference, "predict", broken)
    assert client.post("/change", files=pair).status_code == 500
