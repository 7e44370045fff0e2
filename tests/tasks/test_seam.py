import pytest

from components.errors import UnknownName
from components.tasks import load_run, load_task, params_path, run_names, task_names
from components.tasks.seam import Fitted, Methods, Metric, MultiTask, Network, Restorable
from tests.tasks.toys import boxes, height, pixels, survey


@pytest.mark.parametrize(("goal", "gain"), [("max", 0.1), ("min", -0.1)])
def test_the_goal_says_which_way_is_better(goal, gain):
    assert Metric("score", goal).gain(0.6, 0.5) == pytest.approx(gain)


def test_methods_are_known_by_what_they_can_do():
    kinds = (Restorable, Fitted, Network, MultiTask)
    assert [isinstance(survey.Threshold(), kind) for kind in kinds] == [False] * 4
    assert [isinstance(pixels.Forest(), kind) for kind in kinds] == [True, True, False, False]
    assert [isinstance(boxes.Boxes(), kind) for kind in kinds] == [True, False, True, False]
    assert [isinstance(height.Height(), kind) for kind in kinds] == [True, False, True, True]


def test_all_methods_have_a_name():
    methods = Methods(survey.Threshold(), {"nothing": survey.Unchanged()}, {"again": survey.Unchanged()})
    assert list(methods.named()) == ["candidate", "nothing", "again"]


def test_an_unknown_task_or_run_lists_the_known():
    with pytest.raises(UnknownName, match="no task named 'clouds'; known: "):
        load_task("clouds")
    with pytest.raises(UnknownName, match="no run named 'change-clouds'; known: "):
        load_run("change-clouds")


def test_the_folder_is_the_list_of_tasks():
    assert "change" in task_names()
    assert all(params_path(run).stem == run for run in run_names())
