"""QA of aligned pairs: silent on a clean set, and it names the pair that was displaced."""

import numpy as np
import pytest
import yaml

from components.annotation.check import check
from components.errors import NotEnoughData
from components.raster.dataset import finish, write_source
from tests.tasks.test_coregistration import aligned

EXPECTATIONS = {
    "suite": "aligned-pair",
    "table": {"kind": "aligned-pair", "before": "reference", "after": "moving"},
}


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "expectations.yaml").write_text(yaml.safe_dump(EXPECTATIONS))

    def made(change=None):
        for seed, name in enumerate(("one", "two", "three")):
            scenes = {role: aligned(seed)[role] for role in ("reference", "moving")}
            if change and name == "two":
                scenes["moving"] = change(scenes["moving"])
            write_source(folder / "raw", name, name, scenes)
        finish(folder / "raw", "pairs")
        return check(folder, tmp_path / "out")

    return made


def test_clean_pairs_break_no_rule(dataset):
    report = dataset()
    assert (report.passed, dict(report.flagged), report.scenes) == (True, {}, 3)


def test_a_displaced_pair_is_named_with_its_shift(dataset):
    report = dataset(lambda scene: scene.with_array(np.roll(scene.array, 2, axis=2)))
    assert dict(report.flagged) == {"two": ("pair-is-aligned",)}
    assert "2.0" in report.summary.read_text()


def test_a_pair_that_is_mostly_nodata_blocks(dataset):
    def emptied(scene):
        array = scene.array.copy()
        array[:, :, : array.shape[2] * 2 // 3] = np.nan
        return scene.with_array(array)

    assert "something-was-seen" in "".join(dataset(emptied).failures)


def test_a_dataset_without_pairs_is_refused(tmp_path):
    (tmp_path / "expectations.yaml").write_text(yaml.safe_dump(EXPECTATIONS))
    with pytest.raises(NotEnoughData):
        check(tmp_path, tmp_path / "out")
