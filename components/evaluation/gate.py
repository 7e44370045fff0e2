"""The decision between a candidate and the version in service: pure, and written for the person who reads it.

All rules are always asked, so that a refusal names everything that is wrong at once. A candidate passes if every
check holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.evaluation import rules
from components.evaluation.evidence import Evidence
from components.tasks.params import LimitParams
from components.tasks.seam import Metric


@dataclass(frozen=True)
class Decision:
    """Whether the candidate may be promoted, and why."""

    checks: tuple[rules.Check, ...]

    @property
    def passed(self) -> bool:
        """True where every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The refusals; where there is none, everything that was found in order."""
        return tuple(check.text for check in self.checks if self.passed or not check.passed)

    def __str__(self) -> str:
        head = "passed" if self.passed else "refused"
        return "\n".join([head, *(f"- {'ok' if each.passed else 'NO'}: {each.text}" for each in self.checks)])


def decide(
    candidate: Evidence,
    champion: Evidence | None,
    baselines: Mapping[str, Evidence],
    limits: LimitParams,
    primary: Metric,
) -> Decision:
    """The decision on a candidate, from evidence of all methods on the same units and draws.

    It must be better than every baseline and than the champion beyond doubt: the low end of the paired interval of
    the difference must be above zero, so a tie keeps the champion. It must hold every floor, the calibration limit
    and the budgets, and must not lose more than the limit against the champion in any unit or class.
    What is undefined or was not measured, but is asked for, is a refusal.
    """
    rivals = {f"baseline {name}": each for name, each in baselines.items()}
    checks = [*rules.units(candidate, limits), *rules.baselines(baselines)]
    for name, rival in rivals.items():
        checks += rules.beats(candidate, rival, name, primary)
    if champion is None:
        checks.append(rules.Check(rules.CHAMPION, True, "no version is in service yet"))
    else:
        checks += rules.beats(candidate, champion, "the champion", primary)
        checks += rules.drops(candidate, champion, limits, primary)
    checks += rules.floors(candidate, limits, primary)
    checks += rules.calibration(candidate, limits)
    checks += rules.budgets(candidate, limits)
    return Decision(tuple(checks))
