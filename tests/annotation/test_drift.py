import subprocess

import numpy as np
import pandas as pd
import pytest

from components.annotation.drift import versioned, with_drift
from components.annotation.labelled import summarise_labelled
from components.annotation.profile import FILE, KEPT, previous_of, profile_of, remember, version_of
from components.annotation.rules import Expectations
from components.errors import BadParams
from components.raster.dataset import finish, read_sources, write_source
from tests.annotation.images import labelled, write_images

EXPECTATIONS = Expectations(suite="labelled-image", table={"kind": "labelled-image", "window_px": 128})
LIMITS = {rule.name: rule.kwargs for rule in EXPECTATIONS.all_rules()}


def scenes(number=5, water=0.3, brighter=0.0):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "level": "scene",
            "id": [f"s{n}" for n in range(number)],
            "place": [f"p{n}" for n in range(number)],
            "labelled_px": 10_000,
            "share_water": water + 0.02 * rng.standard_normal(number),
            "median_image_B02": 0.1 + brighter + 0.01 * rng.standard_normal(number),
        }
    ).assign(share_land=lambda table: 1 - table["share_water"])


def rows(now, before):
    dataset = pd.DataFrame([{"level": "dataset", "id": "dataset"}])
    found = with_drift(pd.concat([now, dataset]), None if before is None else profile_of(before, "before"))
    return found.set_index("id")


def test_a_version_like_the_last_one_does_not_drift():
    found = rows(scenes(), scenes())
    assert found.loc["class water", "change_of_share"] == 0
    assert found.loc["dataset", ["class_psi", "class_tv", "band_drift"]].tolist() == [0, 0, 0]


def test_a_class_that_grew_is_named_with_its_interval():
    found = rows(scenes(water=0.5), scenes(water=0.3)).loc["class water"]
    assert found["change_of_share"] == pytest.approx(0.2, abs=0.001)
    assert found["change_of_share_low"] <= found["change_of_share"] <= found["change_of_share_high"]
    assert found["change_of_share_least"] > LIMITS["class-shares-hold"]["max_value"]


def test_one_place_that_was_relabelled_is_named_and_no_other():
    now = scenes()
    now.loc[2, ["share_water", "share_land"]] = now.loc[2, ["share_land", "share_water"]].to_numpy()
    places = rows(now, scenes()).query("level == 'place'")
    assert list(places.index[places["class_psi"] > LIMITS["place-keeps-its-classes"]["max_value"]]) == ["place p2"]
    assert rows(now, scenes()).loc["class water", "change_of_share_least"] == 0  # one of five places is no trend


def test_another_offset_of_a_band_is_seen():
    # the additive offset of a processing baseline: 0.1 of reflectance
    assert rows(scenes(brighter=0.1), scenes()).loc["dataset", "band_drift"] > LIMITS["bands-hold"]["max_value"]


def test_the_index_of_two_halves_that_became_three_quarters_is_the_published_formula():
    before = scenes(1).assign(share_water=0.5, share_land=0.5)
    now = scenes(1).assign(share_water=0.75, share_land=0.25)
    expected = 0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5)
    found = rows(now, before).loc["dataset"]
    assert found["class_psi"] == pytest.approx(expected)
    assert found["class_tv"] == pytest.approx(0.25)


def test_without_a_previous_version_there_is_balance_but_no_drift():
    found = rows(scenes(), None)
    assert found.loc["class land", "places"] == 5
    assert found[["change_of_share_least", "class_psi", "band_drift"]].isna().all(axis=None)


def test_a_class_of_one_place_is_counted():
    now = scenes().assign(share_ice=[0.1, 0, 0, 0, 0])
    assert rows(now, None).loc["class ice", "places"] < LIMITS["class-is-in-two-places"]["min_value"]


def git(folder, *arguments):
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_previous_version_is_found_without_being_named(tmp_path):
    dataset = write_images(tmp_path / "land", {f"s{n}": labelled(n) for n in range(3)})
    git(tmp_path, "init", "-q")
    build = versioned(summarise_labelled)
    sources = read_sources(dataset / "raw")
    remember(dataset, build(sources, EXPECTATIONS.table))
    assert previous_of(dataset) is None
    git(tmp_path, "add", f"land/{FILE}")
    git(tmp_path, "commit", "-qm", "first")
    first = version_of(dataset)
    # the label of one place is exchanged, twice; only the first version was committed
    for code in (0, 1):
        mask = labelled(1)["mask"]
        codes = np.full_like(mask.array, code)
        write_source(dataset / "raw", "s1", "s1", {**labelled(1), "mask": mask.with_array(codes)})
        finish(dataset / "raw", "land")
        table = build(read_sources(dataset / "raw"), EXPECTATIONS.table).set_index("id")
        remember(dataset, table.reset_index())
        assert previous_of(dataset).version == first
    assert table.loc["place s1", "class_psi"] > LIMITS["place-keeps-its-classes"]["max_value"]
    assert table.loc["place s0", "class_psi"] == 0


def test_without_git_the_file_alone_knows_the_previous_version(tmp_path):
    dataset = write_images(tmp_path, {"s0": labelled(0)})
    versions = []
    for seed in range(KEPT + 2):
        write_source(dataset / "raw", "s0", "s0", labelled(seed))
        finish(dataset / "raw", "land")
        versions.append(version_of(dataset))
        remember(dataset, scenes())
    assert previous_of(dataset).version == versions[-2]
    assert (dataset / FILE).read_text().count('"version"') == KEPT


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / FILE).write_text("{}garbage")
    with pytest.raises(BadParams, match="restore it from git"):
        previous_of(tmp_path)
