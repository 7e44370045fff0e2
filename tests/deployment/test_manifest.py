from __future__ import annotations

import json

import pytest

from components.deployment.manifest import MANIFEST, verify_folder, version_of, write_manifest
from components.errors import VersionCorrupt


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folds").mkdir()
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "folds" / "fold-0.json").write_text("{}")
    write_manifest("change-x", tmp_path)
    return tmp_path


def test_an_untouched_folder_is_its_version(folder):
    version = verify_folder(folder)
    assert (version.run, len(version.id)) == ("change-x", 16)
    assert write_manifest("change-x", folder) == version


def test_one_byte_gives_another_version(folder):
    before = verify_folder(folder)
    (folder / "weights.safetensors").write_bytes(b"weightz")
    assert write_manifest("change-x", folder).id != before.id


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "extra.json").write_text("{}"), "extra.json is not in the manifest"),
        (lambda f: (f / "folds" / "fold-0.json").unlink(), "folds/fold-0.json is missing"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"weightS"), "weights.safetensors holds other bytes"),
        (lambda f: (f / MANIFEST).unlink(), "manifest.json is missing"),
        (lambda f: (f / MANIFEST).write_text("[]"), "manifest.json is none"),
        (lambda f: (f / "model.pt").write_bytes(b""), "model.pt is none of .safetensors"),
        (lambda f: (f / "model.pkl").write_bytes(b""), "model.pkl is none of .safetensors"),
        (lambda f: (f / "link.json").symlink_to("/etc/passwd"), "link.json is a link"),
    ],
)
def test_a_spoilt_folder_is_refused_by_name(folder, spoil, said):
    spoil(folder)
    with pytest.raises(VersionCorrupt, match=said):
        verify_folder(folder)


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a//b.json", ".hidden.json", "a/../../b.json", "m.pkl"]
)
def test_a_manifest_that_names_other_places_is_refused(name):
    with pytest.raises(VersionCorrupt):
        version_of(json.dumps({"run": "change-x", "files": {name: "0" * 64}}).encode())
