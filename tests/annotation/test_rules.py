from pathlib import Path

import pandas as pd
import pytest
import yaml

from components.annotation.rules import SUITES, Expectations, Rule, read_expectations
from components.annotation.validation import _checked, run_suite
from components.errors import BadParams, LineageBroken, UnknownName

SOURCES = Path(__file__).parents[2] / "data" / "sources"
RULE = Rule(name="r", expect="expect_column_values_to_not_be_null", severity="block", remedy="mend it", rows="scene")
TABLE = pd.DataFrame({"level": ["scene", "scene", "chip"], "id": ["a", "b", "a@0,0"]})


def answer(**changes):
    return {"name": "r", "error": None, "success": False, "rows": 2, "undefined": 0, "failing": ["a"], **changes}


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*/expectations.yaml")), ids=lambda path: path.parent.name)
def test_every_dataset_has_rules_that_block(path):
    assert any(rule.severity == "block" for rule in read_expectations(path.parent).all_rules())


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shared_rule_has_a_name_of_its_own_and_a_remedy(path):
    rules = yaml.safe_load(path.read_text())["rules"]
    assert len({rule["name"] for rule in rules}) == len(rules)
    assert all(len(rule["remedy"]) > 20 for rule in rules)


def test_an_own_rule_replaces_the_shared_one_in_its_place():
    shared = [rule.name for rule in Expectations().all_rules()]
    own = RULE.model_copy(update={"name": shared[3]})
    rules = Expectations(rules=(own,)).all_rules()
    assert [rule.name for rule in rules] == shared
    assert rules[3] is own


def test_a_rule_that_does_not_apply_is_left_out_by_its_name_only():
    assert "one-grid" not in {rule.name for rule in Expectations(without=("one-grid",)).all_rules()}
    with pytest.raises(UnknownName, match="one-gird"):
        Expectations(without=("one-gird",)).all_rules()


def test_a_typo_is_named_with_file_and_key(tmp_path):
    (tmp_path / "expectations.yaml").write_text("suit: change-pair\n")
    with pytest.raises(BadParams, match=r"expectations\.yaml: suit: Extra inputs"):
        read_expectations(tmp_path)


def test_an_unknown_column_is_refused_before_anything_starts(tmp_path):
    rule = RULE.model_copy(update={"kwargs": {"column": "agrement"}})
    with pytest.raises(BadParams, match="no column 'agrement'"):
        run_suite(TABLE, [rule], tmp_path, tmp_path)


def test_a_result_about_this_table_is_taken():
    result = _checked(RULE, answer(), TABLE)
    assert (result.passed, result.failing, result.rows) == (False, ("a",), 2)


@pytest.mark.parametrize("changes", [{"rows": 3}, {"rows": 0}, {"name": "other"}, {"failing": ["z"]}])
def test_a_result_about_another_table_is_refused(changes):
    with pytest.raises(LineageBroken, match="not about this table"):
        _checked(RULE, answer(**changes), TABLE)


def test_a_rule_that_could_not_be_evaluated_is_an_error_not_a_pass():
    with pytest.raises(BadParams, match=r"rule r: .*boom"):
        _checked(RULE, answer(error="boom", success=True), TABLE)


def test_two_rules_that_ask_the_same_are_refused_by_name():
    again = RULE.model_copy(update={"name": "again"})
    with pytest.raises(BadParams, match="rules r and again: ask the same"):
        Expectations(rules=(RULE, again)).all_rules()
    of_chips = again.model_copy(update={"rows": "chip"})
    assert Expectations(rules=(RULE, of_chips)).all_rules()[-2:] == (RULE, of_chips)
