from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import BadParams, LineageBroken, UnknownName
from components.raster.dataset import finish, read_sources, verify_manifest, write_source
from components.raster.grid import Window
from components.raster.io import read_scene
from components.raster.vector_files import read_features
from components.review.corrections import Author
from components.review.importing import read_annotations
from components.review.merging import Merged, merge
from components.review.project import Project, read_project, version_of
from components.tasks.review_history import read_history
from tests.review.projects import WINDOW, answered, codes, drawn, make_dataset, review, save
from tests.scenes import change_pair

SQUARE = [[0.0, 0.0], [25.0, 0.0], [25.0, 25.0], [0.0, 25.0]]  # 8 x 8 px of 32 x 32


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "raw")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "review"


def bring(raw: Path, project: Project, tasks: Any, **options: Any) -> Merged:
    found = read_annotations(project, save(tasks, raw.parent / "answer.json"), **options)
    return merge(raw, project, found.corrections, found.form)


def test_a_label_that_was_only_looked_at_stays_as_it_was_and_is_noted(raw: Path, out: Path) -> None:
    project, before = review(raw, out), codes(raw)
    report = bring(raw, project, answered(out))
    assert np.array_equal(codes(raw), before)
    assert report.confirmed == ("a@16,16",)
    assert report.changed_px == 0
    assert report.after != report.before  # that somebody looked is a new version, too


def test_a_correction_changes_pixels_inside_the_reviewed_chip_only(raw: Path, out: Path) -> None:
    project, before = review(raw, out), codes(raw)
    tasks = answered(out)
    everywhere = [[-50.0, -50.0], [150.0, -50.0], [150.0, 150.0], [-50.0, 150.0]]
    tasks[0]["annotations"][0]["result"] = [drawn("changed", everywhere)]
    bring(raw, project, tasks)
    expected = before.copy()
    expected[WINDOW.slices] = 1
    assert np.array_equal(codes(raw), expected)
    verify_manifest(raw)


def test_the_history_says_who_when_and_what_changed(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"].append(drawn("changed", SQUARE))
    before = int((codes(raw)[16:24, 16:24] == 1).sum())
    report = bring(raw, project, tasks)
    (entry,) = read_history(raw)
    assert (entry.by, entry.when, entry.reason) == ("ana@example.org", "2026-01-02T03:04:05Z", "looks wrong")
    assert entry.changes == {"unchanged > changed": 64 - before}
    assert entry.changed_px == report.changed_px == 64 - before
    assert entry.base == report.before


def test_what_was_drawn_is_kept_as_map_geometry(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"] = [drawn("changed", SQUARE)]
    bring(raw, project, tasks)
    found = read_features(raw / "reviews" / project.id / "a.parquet")
    assert found.geometries[0].bounds == (500160.0, 4999760.0, 500240.0, 4999840.0)
    assert found.table["by"].tolist() == ["ana@example.org"]


def test_the_same_import_twice_changes_nothing(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"] = [drawn("changed", SQUARE)]
    first = bring(raw, project, tasks)
    files = {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()}
    second = bring(raw, project, tasks)
    assert second.known == ("a@16,16",)
    assert second.after == first.after
    assert {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()} == files


def test_a_second_thought_of_the_same_review_is_merged(raw: Path, out: Path) -> None:
    project, before = review(raw, out), codes(raw)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"] = [drawn("changed", SQUARE)]
    bring(raw, project, tasks)
    bring(raw, project, answered(out, when="2026-02-01T00:00:00Z"))
    assert np.array_equal(codes(raw), before)
    assert len(read_history(raw)) == 2


def test_a_label_that_changed_meanwhile_is_refused_by_name_and_nothing_is_merged(raw: Path, out: Path) -> None:
    project = review(raw, out, WINDOW, Window(48, 48, 16, 16))
    pair = change_pair(seed=0)
    array = read_scene(raw / "scenes/a/mask.tif").array.copy()
    array[0, 20, 18] = 1
    write_source(raw, "a", "place-0", {**pair.scenes, "mask": pair.mask.with_array(array)})
    finish(raw, "fires")
    version = version_of(raw)
    with pytest.raises(LineageBroken, match=r"a@16,16: its label changed since"):
        bring(raw, project, answered(out))
    assert version_of(raw) == version


def test_an_image_that_changed_meanwhile_is_refused(raw: Path, out: Path) -> None:
    project = review(raw, out)
    source = next(each for each in read_sources(raw) if each.id == "a")
    other = change_pair(seed=9)
    mask = read_scene(source.files["mask"])
    write_source(raw, "a", "place-0", {"before": other.before, "after": other.after, "mask": mask})
    finish(raw, "fires")
    with pytest.raises(LineageBroken, match=r"a@16,16: its images changed since"):
        bring(raw, project, answered(out))


def test_a_damaged_dataset_is_not_corrected(raw: Path, out: Path) -> None:
    project = review(raw, out)
    (raw / "scenes/b/after.tif").write_bytes(b"II*")
    with pytest.raises(LineageBroken, match=r"b/after\.tif"):
        bring(raw, project, answered(out))


def test_annotations_of_another_review_are_refused(raw: Path, out: Path, tmp_path: Path) -> None:
    project = review(raw, out)
    review(raw, tmp_path / "other", Window(0, 0, 16, 16))
    with pytest.raises(UnknownName, match=project.id):
        bring(raw, project, answered(tmp_path / "other"))


def test_a_review_of_another_dataset_is_refused(raw: Path, out: Path, tmp_path: Path) -> None:
    project = review(raw, out)
    other = make_dataset(tmp_path / "other")
    finish(other, "floods")
    with pytest.raises(UnknownName, match="floods"):
        merge(other, project, (), "label-studio")


def test_an_unknown_chip_is_refused_by_name(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["data"]["chip"] = "a@0,0"
    with pytest.raises(UnknownName, match=r"'a@0,0'; known: a@16,16"):
        bring(raw, project, tasks)


def test_two_annotations_of_one_chip_are_refused_with_their_authors(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"] += answered(out, by="bo@example.org")[0]["annotations"]
    with pytest.raises(BadParams, match=r"ana@example\.org, bo@example\.org"):
        bring(raw, project, tasks)


def test_a_task_that_stands_twice_is_refused_as_a_storage_that_is_source_and_target_makes_it(
    raw: Path, out: Path
) -> None:
    project = review(raw, out)
    with pytest.raises(BadParams, match=r"a@16,16: expected one correction of a chip, found several"):
        bring(raw, project, answered(out) * 2)


def test_skipped_tasks_and_tasks_without_annotation_are_left_out(raw: Path, out: Path) -> None:
    project = review(raw, out, WINDOW, Window(48, 0, 16, 16))
    tasks = answered(out)
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[1]["annotations"] = []
    report = bring(raw, project, tasks)
    assert report.after == report.before


def test_a_person_who_cannot_tell_leaves_the_label_as_it_is(raw: Path, out: Path) -> None:
    project, before = review(raw, out), codes(raw)
    tasks = answered(out)
    verdict = {"type": "choices", "from_name": "verdict", "value": {"choices": ["cannot tell"]}}
    tasks[0]["annotations"][0]["result"] = [verdict]
    report = bring(raw, project, tasks)
    assert report.unsure == ("a@16,16",)
    assert np.array_equal(codes(raw), before)


def test_ground_without_label_stays_without_unless_somebody_draws_there(tmp_path: Path, out: Path) -> None:
    raw = make_dataset(tmp_path / "raw", unlabelled=Window(16, 16, 10, 2))
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"] = [drawn("changed", [[0, 0], [100 / 32, 0], [100 / 32, 100], [0, 100]])]
    bring(raw, project, tasks)
    assert (codes(raw)[16:26, 16] == 1).all()
    assert (codes(raw)[16:26, 17] == 255).all()


def test_drawn_as_unlabelled_a_pixel_loses_its_label(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"].append(drawn("unlabelled", SQUARE))
    bring(raw, project, tasks)
    assert (codes(raw)[16:24, 16:24] == 255).all()


def test_the_background_drawn_over_a_patch_erases_it(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"].append(drawn("unchanged", [[0, 0], [100, 0], [100, 100], [0, 100]]))
    bring(raw, project, tasks)
    assert not codes(raw)[WINDOW.slices].any()


def test_a_label_that_is_no_class_is_refused(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    tasks[0]["annotations"][0]["result"].append(drawn("flood", SQUARE))
    with pytest.raises(BadParams, match="found 'flood'"):
        bring(raw, project, tasks)


def test_a_polygon_that_crosses_itself_is_mended_as_drawn(raw: Path, out: Path) -> None:
    project = review(raw, out)
    tasks = answered(out)
    bow = [[0.0, 0.0], [50.0, 50.0], [50.0, 0.0], [0.0, 50.0]]
    tasks[0]["annotations"][0]["result"] = [drawn("changed", bow)]
    bring(raw, project, tasks)
    assert codes(raw)[WINDOW.slices].sum() == pytest.approx(128, abs=16)


@pytest.mark.parametrize("name", ["coco.json", "chips.geojson"])
def test_the_other_forms_come_back_with_an_author_and_change_nothing_untouched(raw: Path, out: Path, name: str) -> None:
    project, before = review(raw, out), codes(raw)
    found = read_annotations(project, out / name, Author("bo", "2026-03-01"))
    report = merge(raw, project, found.corrections, found.form)
    assert report.confirmed == ("a@16,16",)
    assert np.array_equal(codes(raw), before)
    assert read_history(raw)[0].by == "bo"


def test_the_other_forms_need_an_author(raw: Path, out: Path) -> None:
    project = review(raw, out)
    with pytest.raises(BadParams, match="add --by"):
        read_annotations(project, out / "coco.json")


def test_a_geojson_patch_drawn_anew_finds_its_chip(raw: Path, out: Path) -> None:
    project = review(raw, out, WINDOW, Window(48, 48, 16, 16))
    content = json.loads((out / "chips.geojson").read_text())
    outline = next(f for f in content["features"] if f["properties"] == {**f["properties"], "chip": "a@48,48"})
    anew = {"type": "Feature", "properties": {"label": "changed"}, "geometry": outline["geometry"]}
    save({**content, "features": [*content["features"], anew]}, out / "edited.geojson")
    found = read_annotations(project, out / "edited.geojson", Author("bo", "2026"), ["a@48,48"])
    merge(raw, project, found.corrections, found.form)
    assert (codes(raw)[48:, 48:] == 1).all()
    assert len(read_history(raw)) == 1


@pytest.mark.parametrize("content", [{}, 7, [{"data": 3}], "nonsense", {"images": [{}]}, {"images": 3}])
def test_what_is_no_annotation_is_refused_with_a_sentence(raw: Path, out: Path, content: Any) -> None:
    project = review(raw, out)
    with pytest.raises((BadParams, UnknownName)):
        read_annotations(project, save(content, out / "x.json"), Author("bo", "2026"))


def test_an_edited_sidecar_is_refused(raw: Path, out: Path) -> None:
    review(raw, out)
    path = out / "project.json"
    path.write_text(path.read_text().replace("fires", "flood"))
    with pytest.raises(BadParams, match="found it edited"):
        read_project(out)


def test_the_sidecar_reads_back_as_it_was(raw: Path, out: Path) -> None:
    assert review(raw, out) == read_project(out)
