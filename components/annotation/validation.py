"""Great Expectations behind one door: one table, one fresh context, one process.

Two validators on one data source can be evaluated on each other's batch without any error
(fivetran/great_expectations#12211). Hence a context and a data source that see one table only, the number of
rows of each result compared with the table, and a process that ends afterwards: `run_suite` starts
`python -m components.annotation.validation <work folder>`, which answers in the same folder.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.annotation.rules import Rule
from components.errors import BadParams, LineageBroken, StageFailed

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600


@dataclass(frozen=True)
class RuleResult:
    """What one rule found: on how many rows, on how many it is undefined, and the ids that broke it."""

    name: str
    severity: str
    passed: bool
    rows: int
    undefined: int
    failing: tuple[str, ...]
    remedy: str


def run_suite(table: pd.DataFrame, rules: Sequence[Rule], docs: Path, work: Path) -> tuple[RuleResult, ...]:
    """Every rule over the table, in a process of its own; Data Docs (HTML) are written to ``docs``.

    Raises:
        BadParams: if a rule names an unknown expectation or column.
        LineageBroken: if a result speaks of another number of rows than the table has.
        StageFailed: if the process dies or takes longer than ten minutes.
    """
    _require_columns(table, rules)
    table.to_parquet(work / "table.parquet")
    order = {"rules": [rule.model_dump(mode="json") for rule in rules], "docs": str(docs.resolve())}
    (work / "order.json").write_text(json.dumps(order))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "GX_ANALYTICS_ENABLED": "false",
        "TQDM_DISABLE": "1",
    }
    command = [sys.executable, "-m", "components.annotation.validation", str(work)]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise StageFailed(f"the quality suite took longer than {TIMEOUT_S} s; is the machine overloaded?") from error
    if ended.returncode != 0:
        raise StageFailed(f"the quality suite died with exit code {ended.returncode}: {ended.stderr[-2000:]}")
    answer = json.loads((work / "answer.json").read_text())
    if len(answer) != len(rules):
        raise LineageBroken(f"{len(answer)} results for {len(rules)} rules; the suite was not evaluated as a whole")
    return tuple(_checked(rule, entry, table) for rule, entry in zip(rules, answer, strict=True))


def _require_columns(table: pd.DataFrame, rules: Sequence[Rule]) -> None:
    for rule in rules:
        named = [rule.kwargs.get("column"), *rule.kwargs.get("column_list", ())]
        unknown = [name for name in named if name and name not in table]
        if unknown:
            known = ", ".join(map(str, table))
            raise BadParams(f"rule {rule.name}", f"no column {unknown[0]!r}; the table has {known}")


def _checked(rule: Rule, entry: dict[str, Any], table: pd.DataFrame) -> RuleResult:
    """The result of a rule, only where it is about this table: right rule, right number of rows, known ids."""
    if entry["error"]:
        raise BadParams(f"rule {rule.name}", f"{rule.expect}: {entry['error']}")
    wanted = table if rule.rows == "all" else table[table["level"] == rule.rows]
    if entry["name"] != rule.name or entry["rows"] != len(wanted) or not set(entry["failing"]) <= set(wanted["id"]):
        raise LineageBroken(
            f"rule {rule.name} answered for {entry['rows']} rows of {entry['name']}, asked for {len(wanted)}; "
            "the result is not about this table"
        )
    return RuleResult(
        name=rule.name,
        severity=rule.severity,
        passed=entry["success"],
        rows=entry["rows"],
        undefined=entry["undefined"],
        failing=tuple(sorted(set(entry["failing"]))),
        remedy=rule.remedy,
    )


def validate(table: pd.DataFrame, rules: Sequence[Rule], docs: Path) -> list[dict[str, Any]]:
    """The answers of Great Expectations in the order of the rules; to be called once a process."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("table").add_dataframe_asset("table")
    suite = context.suites.add(gx.ExpectationSuite("quality"))
    for rule in rules:
        kwargs = dict(rule.kwargs)
        if rule.rows != "all":
            kwargs |= {"row_condition": f'level == "{rule.rows}"', "condition_parser": "pandas"}
        configuration = ExpectationConfiguration(
            type=rule.expect,
            kwargs=kwargs,
            meta={"rule": rule.name},
            notes=f"{rule.name} ({rule.severity}): {rule.remedy}",
            severity=FailureSeverity.CRITICAL if rule.severity == "block" else FailureSeverity.WARNING,
        )
        suite.add_expectation(configuration.to_domain_obj())
    definition = gx.ValidationDefinition(
        name="quality", data=batch.add_batch_definition_whole_dataframe("whole"), suite=suite
    )
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    )
    _write_docs(context, docs)
    by_name = {_rule_name(each): each for each in result.results}
    return [_answer(rule, by_name.get(rule.name)) for rule in rules]


def _write_docs(context: Any, docs: Path) -> None:  # noqa: ANN401 - shipped without types
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": backend,
    }
    context.add_data_docs_site("docs", site)
    context.build_data_docs(site_names=["docs"])


def _rule_name(found: Any) -> str:  # noqa: ANN401 - shipped without types
    return str(found.expectation_config.meta["rule"])


def _answer(rule: Rule, found: Any) -> dict[str, Any]:  # noqa: ANN401 - shipped without types
    if found is None:
        return {"name": rule.name, "error": "no result", "rows": 0, "undefined": 0, "failing": [], "success": False}
    error = found.exception_info
    raised = error if "raised_exception" in error else next(iter(error.values()), {"raised_exception": False})
    result = found.result
    return {
        "name": _rule_name(found),
        "error": raised["exception_message"] if raised["raised_exception"] else None,
        "success": bool(found.success),
        "rows": int(result.get("element_count", 0)),
        "undefined": int(result.get("missing_count") or 0),
        "failing": [str(each["id"]) for each in result.get("unexpected_index_list") or []],
    }


def main(folder: Path) -> None:
    """The order of a work folder carried out; the answer lies beside it."""
    logging.disable(logging.WARNING)
    order = json.loads((folder / "order.json").read_text())
    rules = [Rule.model_validate(each) for each in order["rules"]]
    answer = validate(pd.read_parquet(folder / "table.parquet"), rules, Path(order["docs"]))
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
