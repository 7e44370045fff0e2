import numpy as np
import pytest

from components.evaluation.evidence import Cost, Evidence
from components.evaluation.gate import decide
from components.metrics.bootstrap import BootstrapParams
from components.tasks.params import LimitParams
from components.tasks.seam import Metric, Row

SETTINGS = BootstrapParams(resamples=300)
F1 = Metric("f1")
EPE = Metric("epe", "min")
HARDNESS = np.linspace(-0.1, 0.1, 10)  # what makes a place hard makes it hard for every method


def means(rows):
    names = sorted({name for row in rows for name in row.values})
    held = {name: [row.values[name] for row in rows if name in row.values] for name in names}
    return {name: sum(values) / len(values) for name, values in held.items()} | {"f1.water": None}


def evidence(f1, cost=None, metric="f1", units=10, **more):
    values = np.broadcast_to(f1, units) + HARDNESS[:units]
    rows = [Row(f"place-{i}", {metric: float(value), **more}) for i, value in enumerate(values)]
    return Evidence.of(rows, means, SETTINGS, cost)


def judged(candidate, champion=None, baseline=None, metric=F1, **limits):
    rivals = {"otsu": evidence(0.5, metric=metric.name) if baseline is None else baseline}
    return decide(candidate, champion, rivals, LimitParams(**limits), metric)


def refusals(decision):
    return [check.rule for check in decision.checks if not check.passed]


def test_a_better_candidate_passes_and_says_why():
    decision = judged(evidence(0.7))
    assert decision.passed
    assert decision.reasons[0] == "10 units of evidence, at least 8 are needed"
    assert "f1 0.7 is better than baseline otsu with 0.5: difference 0.2, interval [0.2, 0.2]" in decision.reasons


def test_a_candidate_below_a_baseline_is_refused_with_number_and_interval():
    decision = judged(evidence(0.4))
    assert decision.reasons == (
        "f1 0.4 is not better beyond doubt than baseline otsu with 0.5: "
        "difference -0.1, interval [-0.1, -0.1], its low end must be above 0",
    )


def test_every_baseline_must_be_beaten():
    rivals = {"otsu": evidence(0.5), "cva": evidence(0.8)}
    decision = decide(evidence(0.7), None, rivals, LimitParams(), F1)
    assert refusals(decision) == ["better than baseline cva"]


def test_better_on_average_but_not_beyond_doubt_is_refused():
    wavering = 0.5 + np.array([0.4, -0.1, -0.1, -0.1, 0.5, -0.1, -0.1, -0.1, 0.0, 0.0])
    assert refusals(judged(evidence(wavering))) == ["better than baseline otsu"]


def test_a_tie_keeps_the_champion():
    assert refusals(judged(evidence(0.7), champion=evidence(0.7))) == ["better than the champion"]


def test_a_better_candidate_replaces_the_champion():
    assert judged(evidence(0.7), champion=evidence(0.65)).passed


def test_a_smaller_error_is_better_where_the_goal_is_small():
    champion = evidence(0.4, metric="epe")
    assert judged(evidence(0.3, metric="epe"), champion, metric=EPE).passed
    assert not judged(evidence(0.45, metric="epe"), champion, metric=EPE).passed


@pytest.mark.parametrize(("units", "passed"), [(7, False), (8, True)])
def test_eight_units_are_evidence_and_seven_are_not(units, passed):
    decision = judged(evidence(0.7, units=units), baseline=evidence(0.5, units=units))
    assert decision.passed is passed
    assert passed or decision.reasons == ("not enough evidence: 7 units, at least 8 are needed",)


def test_a_task_without_baseline_cannot_be_gated():
    assert refusals(decide(evidence(0.9), None, {}, LimitParams(), F1)) == ["baselines"]


@pytest.mark.parametrize(("floor", "passed"), [(0.69, True), (0.71, False)])
def test_the_overall_floor_holds_or_refuses(floor, passed):
    decision = judged(evidence(0.7), floors={"f1": floor})
    assert decision.passed is passed
    assert passed or "f1 0.7 misses its floor 0.71; interval [" in decision.reasons[0]


@pytest.mark.parametrize(("ceiling", "passed"), [(0.29, False), (0.31, True)])
def test_a_floor_on_an_error_is_a_ceiling(ceiling, passed):
    assert judged(evidence(0.3, metric="epe"), metric=EPE, floors={"epe": ceiling}).passed is passed


@pytest.mark.parametrize(("floor", "passed"), [(0.55, True), (0.65, False)])
def test_a_floor_for_regions_holds_in_every_unit_or_names_the_unit(floor, passed):
    decision = judged(evidence(0.7), floors={"regions.f1": floor})
    assert decision.passed is passed
    assert passed or decision.reasons[0].startswith("f1 in place-0 0.6 misses its floor 0.65; over all units interval")


@pytest.mark.parametrize(("floor", "passed"), [(0.4, True), (0.6, False)])
def test_a_floor_for_a_class_holds_or_refuses(floor, passed):
    candidate = evidence(0.7, **{"f1.road": 0.5})
    assert judged(candidate, floors={"f1.road": floor}).passed is passed


def test_a_class_that_the_truth_lacks_is_undefined_and_refused_where_a_floor_is_asked():
    assert judged(evidence(0.7)).passed
    decision = judged(evidence(0.7), floors={"f1.water": 0.1})
    assert decision.reasons == ("f1.water is undefined: the truth holds none of it; floor 0.1",)


@pytest.mark.parametrize(("limit", "passed"), [(0.06, True), (0.04, False)])
def test_the_calibration_limit_holds_or_refuses(limit, passed):
    decision = judged(evidence(0.7, ece=0.05), max_ece=limit)
    assert decision.passed is passed
    assert passed or decision.reasons == ("ece 0.05 is above the limit 0.04; interval [0.05, 0.05]",)


def test_a_calibration_limit_without_probabilities_is_refused():
    assert refusals(judged(evidence(0.7), max_ece=0.1)) == ["calibration"]


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"max_seconds_per_megapixel": 3}, True),
        ({"max_seconds_per_megapixel": 1}, False),
        ({"max_peak_memory_mb": 600}, True),
        ({"max_peak_memory_mb": 400}, False),
    ],
)
def test_budgets_hold_or_refuse(limits, passed):
    assert judged(evidence(0.7, cost=Cost(2, 500)), **limits).passed is passed


def test_a_budget_that_was_not_measured_is_refused():
    decision = judged(evidence(0.7), max_seconds_per_megapixel=3)
    assert decision.reasons == ("s/megapixel was not measured; budget 3 s/megapixel",)


@pytest.mark.parametrize(("limit", "passed"), [(0.25, True), (0.1, False)])
def test_a_drop_in_one_region_above_the_limit_is_refused_though_better_on_average(limit, passed):
    uneven = np.array([0.45] + [0.8] * 9)
    decision = judged(evidence(uneven), champion=evidence(0.65), baseline=evidence(0.3), max_drop_per_region=limit)
    drops = [check for check in decision.checks if check.rule == "drop" and not check.passed]
    assert (not drops) is passed
    assert passed or drops[0].text.startswith(
        "f1 in place-0 loses 0.2 against the champion (0.35, was 0.55), limit 0.1"
    )


@pytest.mark.parametrize("score", ["f1.road", "recall.road"])
@pytest.mark.parametrize(("road", "passed"), [(0.55, True), (0.4, False)])
def test_a_drop_in_one_class_above_the_limit_is_refused(score, road, passed):
    candidate, champion = evidence(0.7, **{score: road}), evidence(0.65, **{score: 0.6})
    decision = judged(candidate, champion, max_drop_per_region=0.1)
    assert decision.passed is passed


def test_a_rival_scored_on_other_units_is_no_evidence():
    assert "other units" in judged(evidence(0.7), baseline=evidence(0.5, units=9)).reasons[0]


def test_an_undefined_deciding_score_is_refused():
    candidate = evidence(0.7, metric="other")
    assert "undefined on these units" in judged(candidate).reasons[0]


def test_a_score_that_most_draws_leave_undefined_is_not_enough_evidence():
    def of_the_first(rows):
        held = [row.values["f1"] for row in rows if row.unit == "place-0"]
        return {"f1": sum(held) / len(held) if held else None}

    rows = [[Row(f"place-{i}", {"f1": value}) for i in range(10)] for value in (0.7, 0.5)]
    better, worse = (Evidence.of(each, of_the_first, SETTINGS) for each in rows)
    assert "undefined in" in judged(better, baseline=worse).reasons[0]


def test_a_refusal_names_everything_that_is_wrong_at_once():
    decision = judged(evidence(0.4), floors={"f1": 0.6}, max_ece=0.1, max_peak_memory_mb=100)
    assert refusals(decision) == ["better than baseline otsu", "floor", "calibration", "budget"]
    assert str(decision).startswith("refused\n- ok: 10 units")
