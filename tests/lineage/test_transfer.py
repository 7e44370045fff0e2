from __future__ import annotations

import shutil

import pytest

from components.errors import DataMissing, LineageBroken
from components.lineage.checkouts import checkout
from components.lineage.pipeline import Pipeline, out_hash
from components.lineage.remote import Remote, object_path
from components.lineage.repro import repro
from components.lineage.transfer import listing, pull, push, track
from tests.lineage.toy import commit_all


@pytest.fixture
def remote(tmp_path):
    return Remote(str(tmp_path / "remote"))


@pytest.fixture
def pushed(made, remote):
    """The project after a push, its own cache lost."""
    with checkout(made, remote=remote) as work:
        push(work)
    shutil.rmtree(made / ".dvc/cache")
    return made


def _object(root, store, stage, path, name):
    """Where a store keeps one file of an output."""
    recorded = out_hash(root, Pipeline(root).stage(stage), path)
    with checkout(root) as work:
        return object_path(store, listing(work, recorded)[name])


def _flip(path):
    mode = path.stat().st_mode  # rot keeps it, and DVC trusts what is read-only
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.slow
def test_what_another_machine_made_of_the_same_inputs_is_restored(pushed, remote):
    with checkout(pushed, remote=remote) as work:
        (work.path / "dvc.lock").unlink()
        assert repro(work, "train-toy-a").how == "restored"


def test_a_stage_pulls_its_outputs(pushed, remote):
    with checkout(pushed, remote=remote) as work:
        assert repro(work, "train-toy-a").how == "unchanged"
        assert (work.path / "models/weights/toy-a/weights.txt").is_file()


def test_a_byte_flipped_in_the_remote_is_refused_by_name(made, remote):
    with checkout(made, remote=remote) as work:
        push(work)
    _flip(_object(made, made / ".." / "remote", "prepare-toy-a", "data/prepared/toy-a", "chips.txt"))
    shutil.rmtree(made / ".dvc/cache")
    with checkout(made, remote=remote) as work:
        with pytest.raises(LineageBroken, match=r"damaged .*data/prepared/toy-a/chips\.txt \(MD5 [0-9a-f]{32}\)"):
            pull(work, ["data/prepared/toy-a"])
        assert not (work.path / "data/prepared/toy-a").exists()


def test_a_byte_flipped_in_the_cache_is_refused_by_name_before_use(made):
    with (made / "components/training/__main__.py").open("a") as code:
        code.write("# newer\n")
    commit_all(made, "newer training")
    _flip(_object(made, made / ".dvc/cache", "prepare-toy-a", "data/prepared/toy-a", "chips.txt"))
    lines, what = [], r"data/prepared/toy-a/chips\.txt: digest \w+ instead of \w+"
    with checkout(made) as work, pytest.raises(LineageBroken, match=what):
        repro(work, "train-toy-a", on_line=lines.append)
    assert lines == []


def test_an_output_that_nobody_pushed_is_missing_not_damaged(made, remote):
    with checkout(made, remote=remote) as work:
        push(work, ["train-toy-b"])
    shutil.rmtree(made / ".dvc/cache")
    with checkout(made, remote=remote) as work, pytest.raises(DataMissing, match="toy-a: not in the remote"):
        pull(work, ["train-toy-a"])


def test_without_a_remote_nothing_is_pulled_or_pushed(made):
    with checkout(made) as work:
        for call in (lambda: pull(work, ["train-toy-a"]), lambda: push(work)):
            with pytest.raises(LineageBroken, match="no remote"):
                call()


@pytest.mark.slow
def test_a_tracked_folder_is_brought_and_proved_like_an_output(project):
    with checkout(project) as work:
        raw = work.path / "data/sources/far/raw"
        raw.mkdir()
        (raw / "scene.txt").write_text("from far away")
        assert track(work, "data/sources/far/raw") == "data/sources/far/raw.dvc"
        assert (work.path / "data/lineage/sources-far-raw.json").is_file()
        assert repro(work, "train-toy-far").how == "computed"
        assert (work.path / "data/dvc.lock").is_file()


@pytest.mark.service
def test_an_object_store_takes_and_gives_back_what_was_made(project, object_store):
    url, keys = f"s3://{object_store.bucket}/dvc", (object_store.access_key, object_store.secret_key)
    store = Remote(url, f"http://{object_store.endpoint}", *keys, region="us-east-1")
    with checkout(project, remote=store) as work:
        repro(work, "simulate-box")
        push(work, ["simulate-box"])
        shutil.rmtree(project / ".dvc/cache")
        shutil.rmtree(work.path / "data/sources/box/raw")
        pull(work, ["simulate-box"])
        assert (work.path / "data/sources/box/raw/scene-0.txt").is_file()
