"""The ingest flow brings the objects of a declared bucket into the source folder before it looks into it."""

from __future__ import annotations

import uuid

from components.storage.store import Store
from flows.steps import data
from tests.ingestion.folders import declare


def test_a_declared_bucket_is_mirrored_and_the_artifact_says_what_came(moto_store, tmp_path, monkeypatch):
    store, prefix = Store(moto_store), f"flows/{uuid.uuid4().hex}"
    store.put_new(f"{prefix}/pre/a_1.tif", b"1")
    asked = []
    monkeypatch.setattr(data, "store", lambda settings, bucket: asked.append(bucket) or store)
    dataset = declare(tmp_path, source={"bucket": "fires", "prefix": prefix})
    said = data._mirrored(dataset, tmp_path / "source", None)
    assert said == "1 objects fetched, 0 unchanged, 0 gone, 0 refused: none\n\n"
    assert asked == ["fires"]
    assert (tmp_path / "source" / "pre" / "a_1.tif").read_bytes() == b"1"


def test_a_dataset_of_a_folder_asks_no_store(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "store", lambda *_: 1 / 0)
    assert data._mirrored(declare(tmp_path), tmp_path, None) == ""
