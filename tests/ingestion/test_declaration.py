from pathlib import Path

import pytest

from components.errors import BadParams
from components.ingestion.declaration import read_declaration
from tests.ingestion.folders import DECLARATION, declare

SOURCES = Path(__file__).parents[2] / "data" / "sources"


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*/dataset.yaml")), ids=lambda path: path.parent.name)
def test_every_dataset_declares_itself_correctly(path):
    declaration = read_declaration(path.parent)
    assert declaration.licence
    assert declaration.citation


def test_a_typo_is_named_with_file_and_key(tmp_path):
    with pytest.raises(BadParams, match=r"dataset\.yaml: licnce: Extra inputs"):
        read_declaration(declare(tmp_path, licnce="MIT"))


def test_a_name_other_than_the_folder_is_refused(tmp_path):
    with pytest.raises(BadParams, match="differs from the folder"):
        read_declaration(declare(tmp_path, name="other"))


def test_a_dataset_without_a_way_in_is_refused(tmp_path):
    with pytest.raises(BadParams, match="either layout and image"):
        read_declaration(declare(tmp_path, layout=None))


def test_a_broken_pattern_is_refused(tmp_path):
    with pytest.raises(BadParams, match="not a regular expression"):
        read_declaration(declare(tmp_path, layout={**DECLARATION["layout"], "name": "(?P<x"}))


def test_a_class_code_without_a_name_is_refused(tmp_path):
    with pytest.raises(BadParams, match=r"lacks the codes \[7\]"):
        read_declaration(declare(tmp_path, label={**DECLARATION["label"], "values": {0: 0, 1: 7}}))


def test_the_digest_follows_what_decides_the_bytes_and_nothing_else(tmp_path):
    plain = read_declaration(declare(tmp_path)).digest
    assert read_declaration(declare(tmp_path, title="another")).digest == plain
    assert read_declaration(declare(tmp_path, needs_crs=False)).digest != plain


LABEL = DECLARATION["label"]
OTHER = {"bands": ["VV", "VH"], "unit": "intensity", "decibels": True, "storage": {"dtype": "float32"}}


def test_roles_may_have_an_image_section_of_their_own(tmp_path):
    declaration = read_declaration(declare(tmp_path, images={"after": OTHER}))
    assert declaration.image_of("after").bands == ("VV", "VH")
    assert declaration.image_of("before").bands == ("B2", "B8")
    both = read_declaration(declare(tmp_path, image=None, images={"before": OTHER, "after": OTHER}))
    assert both.image_of("before").unit == "intensity"


def test_a_dataset_of_one_sensor_keeps_the_digest_that_its_scenes_carry(tmp_path):
    california = read_declaration(SOURCES / "california-fires").digest
    assert california == "96bad5b1d6123f3229d44b4201fc197d77de0d3e7f05cc79476174b14a679492"
    plain = read_declaration(declare(tmp_path)).digest
    assert read_declaration(declare(tmp_path, images={})).digest == plain
    assert read_declaration(declare(tmp_path, images={"after": OTHER})).digest != plain


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"images": {"radar": OTHER}}, "radar is no image role"),
        ({"images": {"mask": OTHER}}, "mask is no image role"),
        ({"image": None, "images": {"after": OTHER}}, "before has no section"),
        ({"images": {"after": {**OTHER, "unit": "reflectance"}}}, "unit must be one"),
        ({"images": {"after": {**OTHER, "storage": {"dtype": "uint16"}}}}, "storage.dtype float32"),
        ({"image": {**DECLARATION["image"], "decibels": True}}, "decibels"),
        ({"dates": {"radar": "2024-01-01"}}, "radar is no role"),
        (
            {"label": {**LABEL, "values": {}, "vectors": {"codes": {"*": 4}}}, "dates": {"mask": "2024-01-01"}},
            "date_column",
        ),
    ],
)
def test_sections_that_do_not_fit_the_layout_are_refused_by_name(tmp_path, changes, problem):
    with pytest.raises(BadParams, match=problem):
        read_declaration(declare(tmp_path, **changes))
