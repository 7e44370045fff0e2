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
